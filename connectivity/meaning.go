package connectivity

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// sameMeaning reports whether every selector in force, before or after the change,
// that can see their namespace gives the same answer to two variants of it. Ports
// count as far as a rule names them, hostNetwork always, addresses never.
func (t *transition) sameMeaning(a, b *cluster.Variant) bool {
	if a.HostNetwork != b.HostNetwork || a.Unread() != 0 || b.Unread() != 0 {
		return false
	}
	if !slices.Equal(a.Ports, b.Ports) && !t.samePorts(a, b) {
		return false
	}
	if !t.mayTellApart(a, b) {
		return true
	}
	for _, s := range t.inForce(a.Workload.Namespace) {
		if a.Matches(s) != b.Matches(s) {
			return false
		}
	}
	return true
}

// mayTellApart reports whether a selector mentions a label in which two variants differ.
func (t *transition) mayTellApart(a, b *cluster.Variant) bool {
	keys := t.keysIn(a.Workload.Namespace)
	mentions := func(k string) bool {
		return keys.Has(k) || t.query.From.Pods.Mentions(k) || t.query.To.Pods.Mentions(k)
	}
	differ := func(a, b *cluster.Variant) bool {
		for k, v := range a.Labels {
			if w, ok := b.Labels[k]; (!ok || w != v) && mentions(k) {
				return true
			}
		}
		return false
	}
	return differ(a, b) || differ(b, a) || (!a.SameMaker(b) && t.mentionsGenerated(keys))
}

// mentionsGenerated reports whether a selector asks for a label that pods get beyond
// those of their template.
func (t *transition) mentionsGenerated(keys *cluster.Keys) bool {
	return keys.Generated() || t.query.From.Pods.AsksForGenerated() || t.query.To.Pods.AsksForGenerated()
}

// inForce are the selectors of pods that can see a namespace: those of its netpols,
// and of the peers and the question that may look into it.
func (t *transition) inForce(namespace string) []selector.Selector {
	if out, ok := t.forces[namespace]; ok {
		return out
	}
	seen := map[selector.Key]bool{}
	var out []selector.Selector
	add := func(s selector.Selector) {
		if !seen[s.Key()] {
			seen[s.Key()] = true
			out = append(out, s)
		}
	}
	for _, e := range []*evaluator{t.before, t.after} {
		ns, there := e.snapshot.Namespace(namespace)
		sees := func(s selector.Selector) bool { return there && ns.Matches(s) != selector.No }
		for n := range e.snapshot.AllNetpols() {
			if n.Namespace == namespace {
				add(n.Selector)
			}
			for p := range n.Peers() {
				if p.Block == nil && ((p.OwnNamespace && n.Namespace == namespace) || (!p.OwnNamespace && sees(p.Namespaces))) {
					add(p.Pods)
				}
			}
		}
		for _, s := range []Selection{t.query.From, t.query.To} {
			if !s.external() && sees(s.Namespaces) {
				add(s.Pods)
			}
		}
	}
	if t.forces == nil {
		t.forces = map[string][]selector.Selector{}
	}
	t.forces[namespace] = out
	return out
}

// samePorts reports whether every port name that a rule in force uses stands for the
// same numbers on both.
func (t *transition) samePorts(a, b *cluster.Variant) bool {
	if t.portNames == nil {
		t.portNames = map[portName]bool{}
		for _, e := range []*evaluator{t.before, t.after} {
			for n := range e.snapshot.AllNetpols() {
				for p := range n.Ports() {
					if p.Name != "" {
						t.portNames[portName{p.Name, p.Protocol}] = true
					}
				}
			}
		}
	}
	for p := range t.portNames {
		x, y := a.ResolvePort(p.name, p.protocol), b.ResolvePort(p.name, p.protocol)
		slices.Sort(x)
		slices.Sort(y)
		if !slices.Equal(slices.Compact(x), slices.Compact(y)) {
			return false
		}
	}
	return true
}

type portName struct {
	name     string
	protocol cluster.Protocol
}
