package remedy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
)

// applying is a new netpol for a new workload, to be applied before it: what
// isolates it where nothing does, and lets through what is required. It selects nobody
// else that is there, so nobody loses by it.
func (s *search) applying(d guardrail.Decision) (e edit, ok bool) {
	object := s.review.Change.After
	if object == nil || s.review.Change.Before != nil { // it would cut off what is in use
		return e, false
	}
	l, ok := labelledOf(object)
	if _, isNamespace := object.(*cluster.Namespace); !ok || isNamespace || l.hostNetwork {
		return e, false
	}
	pods := s.lasting(l.labels)
	ref := object.Ref()
	name, free := s.freeName(ref.Namespace, ref.Name)
	if len(pods) == 0 || !free {
		return e, false
	}
	isolates := s.lacksIsolation(d)
	needs := s.needed(ref)
	for _, p := range needs {
		isolates[directionOf(p)] = true
	}
	if !isolates[cluster.Ingress] && !isolates[cluster.Egress] {
		return e, false
	}
	return edit{
		object: cluster.Ref{Namespace: ref.Namespace, Kind: "NetworkPolicy", Name: name},
		text:   applyingText(ref, name, isolates, needs),
		create: func() *cluster.Draft { return drafted(ref.Namespace, name, pods, isolates, needs) },
	}, true
}

func applyingText(ref cluster.Ref, name string, isolates [2]bool, needs []path) string {
	var directions, paths []string
	for _, d := range []cluster.Direction{cluster.Ingress, cluster.Egress} {
		if isolates[d] {
			directions = append(directions, d.String())
		}
	}
	text := fmt.Sprintf("first apply NetworkPolicy %s/%s, which isolates %s for %s", ref.Namespace, name, ref, join(directions))
	for _, p := range needs {
		_, other := endsOf(p)
		preposition := "to"
		if directionOf(p) == cluster.Ingress {
			preposition = "from"
		}
		paths = append(paths, fmt.Sprintf("%s %s %s", p.ports, preposition, other))
	}
	if len(paths) == 0 {
		return text + "; then add the rules that it needs"
	}
	return fmt.Sprintf("%s and lets through %s", text, join(paths))
}

// drafted writes the netpol.
func drafted(namespace, name string, pods map[string]string, isolates [2]bool, needs []path) *cluster.Draft {
	var draft *cluster.Draft
	for _, d := range []cluster.Direction{cluster.Ingress, cluster.Egress} {
		switch {
		case !isolates[d]:
		case draft == nil:
			draft = cluster.Isolating(namespace, name, pods, d)
		default:
			draft.Isolate(d)
		}
	}
	for _, p := range needs {
		_, other := endsOf(p)
		draft.AllowPorts(directionOf(p), other.Namespace, lastingOf(other.Labels), portsOf(p.ports))
	}
	return draft
}

// needed are the paths that must be there and that a netpol of the workload can let
// through: those of its own side, to or from workloads with labels.
func (s *search) needed(ref cluster.Ref) []path {
	var out []path
	for _, p := range s.paths {
		if !p.isObstacle() {
			continue
		}
		subject, other := endsOf(p)
		if subject.Namespace == ref.Namespace && subject.Kind == ref.Kind && subject.Name == ref.Name && other.CIDR == "" && len(lastingOf(other.Labels)) > 0 {
			out = append(out, p)
		}
	}
	return out[:min(len(out), maxValues)]
}

// directionOf is the side on which a missing path is shut first.
func directionOf(p path) cluster.Direction {
	if p.because[0].Direction == cluster.Egress.String() {
		return cluster.Egress
	}
	return cluster.Ingress
}

// endsOf are the end on that side, and the other.
func endsOf(p path) (subject, other peer) {
	if directionOf(p) == cluster.Egress {
		return p.from, p.to
	}
	return p.to, p.from
}

// lacksIsolation reads for what nothing isolates the workload, as default-deny says it.
func (s *search) lacksIsolation(d guardrail.Decision) (out [2]bool) {
	for _, v := range d.With(guardrail.Deny) {
		for _, details := range v.Each() {
			var in struct{ Directions []string }
			raw, err := json.Marshal(details)
			if err != nil || json.Unmarshal(raw, &in) != nil {
				continue
			}
			for _, direction := range []cluster.Direction{cluster.Ingress, cluster.Egress} {
				out[direction] = out[direction] || slices.Contains(in.Directions, direction.String())
			}
		}
	}
	for _, p := range s.paths {
		for _, b := range p.because {
			if b.NotIsolated && !p.isObstacle() {
				direction := cluster.Ingress
				if b.Direction == cluster.Egress.String() {
					direction = cluster.Egress
				}
				out[direction] = true
			}
		}
	}
	return out
}

// lasting are the labels by which the workload's own selector finds its pods, or all
// that do not come from a controller.
func (s *search) lasting(all map[string]string) map[string]string {
	needed := map[string]string{}
	for k, v := range all {
		if !selector.IsGenerated(k) && s.needs(k) {
			needed[k] = v
		}
	}
	if len(needed) > 0 {
		return needed
	}
	return lastingOf(all)
}

func lastingOf(all map[string]string) map[string]string {
	out := maps.Clone(all)
	maps.DeleteFunc(out, func(k, _ string) bool { return selector.IsGenerated(k) })
	return out
}

// freeName is a name that no netpol of a namespace has.
func (s *search) freeName(namespace, name string) (string, bool) {
	if strings.ContainsAny(name, "*") || name == "" { // it is not known yet
		name = "isolated"
	}
	for _, n := range []string{name, name + "-isolated"} {
		if _, taken := s.review.After.Netpol(namespace, n); !taken && len(n) <= maxName {
			return n, true
		}
	}
	return "", false
}

// maxName is how long the name of an object may be.
const maxName = 253

func portsOf(set connectivity.PortSet) []cluster.NetpolPort {
	if set.All() {
		return nil
	}
	var out []cluster.NetpolPort
	for _, r := range set.Ranges() {
		out = append(out, cluster.NetpolPort{Protocol: r.Protocol, First: r.First, Last: r.Last})
	}
	return out
}

// applied tries the new netpol. Only connections of the workload itself may be lost.
func (s *search) applied(d guardrail.Decision) (attempt, bool) {
	e, ok := s.applying(d)
	if !ok {
		return attempt{}, false
	}
	a, ok := s.try(attempt{}, e, 0)
	own := s.review.Change.Ref()
	return a, ok && a.denials == 0 && !slices.ContainsFunc(a.lost, func(l connectivity.Connection) bool {
		return !isOwn(l.From, own) && !isOwn(l.To, own)
	})
}

func isOwn(p connectivity.Peer, own cluster.Ref) bool {
	return p.Workload != nil && p.Workload.Namespace == own.Namespace && p.Workload.Name == own.Name
}
