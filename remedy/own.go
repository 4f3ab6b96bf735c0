package remedy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// ownEdits are the small changes of the object under review.
func (s *search) ownEdits() []edit {
	switch after := s.review.Change.After.(type) {
	case nil:
		return nil
	case *cluster.Netpol:
		return slices.Concat(s.restoring(after), s.lettingThrough(after), s.edits(after))
	default:
		return s.relabelling()
	}
}

// restoring takes parts of a netpol from what it was.
func (s *search) restoring(n *cluster.Netpol) []edit {
	was, ok := s.review.Change.Before.(*cluster.Netpol)
	if !ok {
		return nil
	}
	old, ok := was.Draft()
	if !ok {
		return nil
	}
	var out []edit
	add := func(text string, change func(*cluster.Draft) bool) {
		out = append(out, edit{object: n.Ref(), rank: rankRestore, text: text, netpol: change})
	}
	if was.Selector.Key() != n.Selector.Key() {
		add("leave its podSelector as it was", func(d *cluster.Draft) bool {
			d.RestorePodSelector(old)
			return true
		})
	}
	for _, d := range []cluster.Direction{cluster.Ingress, cluster.Egress} {
		if was.Isolates[d] != n.Isolates[d] {
			t := strings.ToUpper(d.String()[:1]) + d.String()[1:]
			text := fmt.Sprintf("keep %s in its policyTypes", t)
			if !was.Isolates[d] {
				text = fmt.Sprintf("leave %s out of its policyTypes", t)
			}
			add(text, func(draft *cluster.Draft) bool {
				draft.RestoreDirection(old, d)
				return true
			})
			continue
		}
		for i := range n.Rules[d] {
			if i < len(was.Rules[d]) {
				s.keepingPorts(n, was, ruleAt{d, i}, add)
				add(fmt.Sprintf("leave %s as it was", ruleAt{d, i}), func(draft *cluster.Draft) bool {
					return draft.RestoreRule(old, d, i)
				})
			}
		}
		if len(was.Rules[d]) != len(n.Rules[d]) {
			add(fmt.Sprintf("leave its %s rules as they were", d), func(draft *cluster.Draft) bool {
				draft.RestoreDirection(old, d)
				return true
			})
		}
	}
	return out
}

// keepingPorts leaves in a rule the ports that it had and that are required.
func (s *search) keepingPorts(n, was *cluster.Netpol, at ruleAt, add func(string, func(*cluster.Draft) bool)) {
	is, known := numbered(n.Rules[at.direction][at.rule])
	had, wasKnown := numbered(was.Rules[at.direction][at.rule])
	if !known || !wasKnown {
		return
	}
	var missing connectivity.PortSet
	for _, p := range s.paths {
		if p.isObstacle() && slices.ContainsFunc(p.because, func(b because) bool { return b.Netpol == n.Namespace+"/"+n.Name }) {
			missing = missing.Union(p.ports.Intersect(had).Subtract(is))
		}
	}
	if missing.Empty() || len(missing.Ranges()) > maxValues {
		return
	}
	add(fmt.Sprintf("keep %s in %s", missing, at), func(d *cluster.Draft) bool {
		d.SetPorts(at.direction, at.rule, portsOf(is.Union(missing)))
		return true
	})
}

// numbered are the ports of a rule; false where it names some, as a name may stand for
// different ports on different pods.
func numbered(r cluster.NetpolRule) (connectivity.PortSet, bool) {
	if r.AnyPort {
		return connectivity.AllPorts(), true
	}
	var out connectivity.PortSet
	for _, p := range r.Ports {
		if p.Name != "" || p.Broken {
			return out, false
		}
		out = out.Union(connectivity.Ports(connectivity.PortRange{Protocol: p.Protocol, First: p.First, Last: p.Last}))
	}
	return out, true
}

// lettingThrough adds rules for paths that must be there and that the netpol shuts.
func (s *search) lettingThrough(n *cluster.Netpol) []edit {
	var out []edit
	name := n.Namespace + "/" + n.Name
	for _, p := range s.paths {
		for _, b := range p.because {
			if !p.isObstacle() || b.Netpol != name || len(out) >= maxEdits {
				continue
			}
			d, subject, other := cluster.Ingress, p.to, p.from
			if b.Direction == cluster.Egress.String() {
				d, subject, other = cluster.Egress, p.from, p.to
			}
			if other.CIDR != "" || len(other.Labels) == 0 {
				continue
			}
			labels, ports := lastingOf(other.Labels), portsOf(p.ports)
			text := fmt.Sprintf("add an %s rule for %s on %s", d, other, p.ports)
			if slices.ContainsFunc(out, func(e edit) bool { return e.text == text }) {
				continue
			}
			out = append(out, edit{object: n.Ref(), rank: rankAllow, text: text, netpol: func(draft *cluster.Draft) bool {
				draft.AllowPorts(d, other.Namespace, labels, ports)
				return true
			}})
			for _, r := range common([]peer{subject}) {
				out = append(out, edit{object: n.Ref(), rank: rankDeny, text: fmt.Sprintf("%s its podSelector", leave(r, "out of", "in")), netpol: func(draft *cluster.Draft) bool {
					return draft.NarrowPodSelector(r)
				}})
			}
		}
	}
	return out
}

// otherEdits are small changes of netpols beside the change, by which its paths get
// through: somebody has to make them first.
func (s *search) otherEdits() []edit {
	var out []edit
	var seen []string
	for _, p := range s.paths {
		for _, b := range slices.Backward(p.because) { // ingress first: it says who needs the pods
			if b.Netpol == "" || b.Rule == nil || slices.Contains(seen, b.Netpol) || len(seen) == maxDepth {
				continue
			}
			seen = append(seen, b.Netpol)
			namespace, name, _ := strings.Cut(b.Netpol, "/")
			if n, ok := s.review.After.Netpol(namespace, name); ok && n.Ref() != s.review.Change.Ref() {
				for _, e := range s.edits(n) {
					if e.isolates {
						e.rank = rankRemove // who is isolated is what its author meant first
					}
					out = append(out, e)
				}
			}
		}
	}
	return out
}

// String is the peer as connections name it.
func (p peer) String() string {
	if p.CIDR != "" {
		return p.CIDR
	}
	return cluster.Ref{Namespace: p.Namespace, Kind: p.Kind, Name: p.Name}.String()
}
