package connectivity

import (
	"cmp"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// matchNamespace tells whether a peer's namespaceSelector selects a namespace, and
// if that is not certain, why.
func (e *evaluator) matchNamespace(p *cluster.NetpolPeer, name string) (selector.Match, Uncertainty) {
	return matchNamespace(e.snapshot, p.Namespaces, name)
}

func matchNamespace(s *cluster.Snapshot, which selector.Selector, name string) (selector.Match, Uncertainty) {
	ns, ok := s.Namespace(name)
	if !ok {
		return selector.Maybe, NamespaceUnknown
	}
	m := ns.Matches(which)
	if m == selector.Maybe && which.Matches(ns.Labels) != selector.Maybe {
		return m, NamespaceUnknown
	}
	return m, UnparsableSelector
}

// doubtfully reports whether it is not certain that a selection is about a
// workload: whether it chooses its namespace hangs on labels that nobody knows.
func (s Selection) doubtfully(snapshot *cluster.Snapshot, p Peer) bool {
	var name string
	switch {
	case p.Workload != nil:
		name = p.Workload.Namespace
	case p.Witness != nil:
		name = p.Witness.Namespace
	default:
		return false
	}
	m, why := matchNamespace(snapshot, s.Namespaces, name)
	return m == selector.Maybe && why == NamespaceUnknown
}

// answer is what the query wants to hear of some connections.
func (q Query) answer(s *cluster.Snapshot, all []Connection) []Connection {
	return without(q.chosenDoubtfully(s, all), q.Blocked)
}

// chosenDoubtfully makes unknown what the query may not be about. What was unknown
// already and what was not are one then.
func (q Query) chosenDoubtfully(s *cluster.Snapshot, all []Connection) []Connection {
	out := all[:0]
	for _, c := range all {
		for d, end := range q.ends(c.From, c.To) {
			if !end.doubtfully(s) {
				continue
			}
			c.Unknown = cmp.Or(c.Unknown, NamespaceUnknown)
			c.Because = append(slices.Clip(c.Because), Because{
				Reason: Reason{Direction: cluster.Direction(d), Unknown: NamespaceUnknown}, Ports: c.Ports,
				New: slices.ContainsFunc(c.Because, func(b Because) bool { return b.New }), // to be told with what is new
			})
			slices.SortStableFunc(c.Because, compareBecause)
		}
		if n := len(out); n > 0 && out[n-1].Unknown != "" && c.Unknown != "" && out[n-1].From.Compare(c.From) == 0 && out[n-1].To.Compare(c.To) == 0 && c.From.Witness == nil && c.To.Witness == nil {
			out[n-1] = out[n-1].and(c)
			continue
		}
		out = append(out, c)
	}
	return out
}

// and joins two connections of the same peers.
func (c Connection) and(o Connection) Connection {
	c.Ports = c.Ports.Union(o.Ports)
	c.Because = slices.Clone(c.Because)
	for _, b := range o.Because {
		c.Because = mergeBecause(c.Because, b)
	}
	slices.SortStableFunc(c.Because, compareBecause)
	return c
}

// closedDoubtfully is chosenDoubtfully for paths that must be there.
func (q Query) closedDoubtfully(s *cluster.Snapshot, all []ClosedPath) []ClosedPath {
	for i := range all {
		c := &all[i]
		for d, end := range q.ends(c.From, c.To) {
			if !end.doubtfully(s) {
				continue
			}
			c.Unknown = cmp.Or(c.Unknown, NamespaceUnknown)
			c.Because = append(slices.Clip(c.Because), Obstacle{Direction: cluster.Direction(d), Unknown: NamespaceUnknown})
		}
	}
	return all
}

// chooser is a peer and what chose it.
type chooser struct {
	selection Selection
	peer      Peer
}

func (e chooser) doubtfully(s *cluster.Snapshot) bool { return e.selection.doubtfully(s, e.peer) }

// ends are the two, indexed by the direction in which each has the say.
func (q Query) ends(from, to Peer) [2]chooser {
	return [2]chooser{cluster.Egress: {q.From, from}, cluster.Ingress: {q.To, to}}
}
