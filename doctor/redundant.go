package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// addsNothing are the netpols without which everything would be as it is with them, today and
// for whatever pod may come: whom they isolate others isolate, and what they let through others
// let through. Without all that are named together, it would still be so.
//
// That a netpol opens and closes nothing among the pods of today would say less: a default-deny
// is there for those of tomorrow.
func addsNothing(s *cluster.Snapshot) []Remark {
	var out []Remark
	for ns := range s.Namespaces() {
		out = append(out, redundant(s.Netpols(ns.Name))...)
	}
	return out
}

// wants is what a selector asks of labels.
type wants []selector.Requirement

// asked is a netpol as it is compared with others.
type asked struct {
	*cluster.Netpol
	wants wants
}

// redundant takes netpols of one namespace, by name; of two that say the same the later name is
// the one too many.
func redundant(netpols []*cluster.Netpol) []Remark {
	var all []asked
	for _, n := range netpols {
		if w, match := n.Selector.Requirements(); match == selector.Yes && n.Over == "" {
			all = append(all, asked{n, w})
		}
	}
	var out []Remark
	left := slices.Clone(all)
	for i := len(all) - 1; i >= 0; i-- {
		n := all[i]
		others := slices.DeleteFunc(slices.Clone(left), func(o asked) bool { return o.Netpol == n.Netpol || !o.wants.coveredBy(n.wants) })
		by, ok := n.within(others)
		if !ok {
			continue
		}
		left = slices.DeleteFunc(left, func(o asked) bool { return o.Netpol == n.Netpol })
		out = append(out, Remark{AddsNothing, n.Ref(), fmt.Sprintf("NetworkPolicy %s/%s adds nothing: %s %s all that it says", n.Namespace, n.Name, strings.Join(by, " and "), map[bool]string{true: "says", false: "say"}[len(by) == 1])})
	}
	return out
}

// coveredBy tells whether whoever meets other meets w, too.
func (w wants) coveredBy(other wants) bool {
	for _, r := range w {
		values := selector.AnyValue()
		for _, o := range other {
			if o.Key == r.Key {
				values = o.Values
			}
		}
		if !values.Within(r.Values) {
			return false
		}
	}
	return true
}

// within finds netpols that together isolate and let through all that n does, among those that
// select whoever n selects.
func (n asked) within(others []asked) (names []string, ok bool) {
	use := func(o asked) {
		if name := o.Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for d := range n.Isolates {
		if !n.Isolates[d] {
			continue
		}
		// One that only denies makes room for another one that only denies: whatever else isolates
		// lets something through, and may be what has to go one day.
		denies := len(n.Rules[d]) == 0
		at := slices.IndexFunc(others, func(o asked) bool { return o.Isolates[d] && (!denies || len(o.Rules[d]) == 0) })
		if at < 0 {
			return nil, false
		}
		if denies {
			use(others[at])
		}
		for i := range n.Rules[d] {
			r := &n.Rules[d][i]
			at := slices.IndexFunc(others, func(o asked) bool {
				return slices.ContainsFunc(o.Rules[d], func(q cluster.NetpolRule) bool { return covers(&q, r) })
			})
			if at < 0 {
				return nil, false
			}
			use(others[at])
		}
	}
	slices.Sort(names)
	return names, len(names) > 0
}

// covers tells whether rule q lets through all that r does, of netpols of one namespace.
func covers(q, r *cluster.NetpolRule) bool {
	if !q.AnyPeer {
		if r.AnyPeer {
			return false
		}
		for i := range r.Peers {
			if !slices.ContainsFunc(q.Peers, func(p cluster.NetpolPeer) bool { return peerCovers(&p, &r.Peers[i]) }) {
				return false
			}
		}
	}
	if q.AnyPort {
		return true
	}
	if r.AnyPort {
		return false
	}
	for _, p := range r.Ports {
		if !slices.ContainsFunc(q.Ports, func(o cluster.NetpolPort) bool { return portCovers(o, p) }) {
			return false
		}
	}
	return true
}

func portCovers(q, p cluster.NetpolPort) bool {
	switch {
	case q.Broken || p.Broken || q.Protocol != p.Protocol:
		return false
	case p.Name != "":
		return q.Name == p.Name || q.Name == "" && q.First == 1 && q.Last == lastPort
	}
	return q.Name == "" && q.First <= p.First && p.Last <= q.Last
}

func peerCovers(q, p *cluster.NetpolPeer) bool {
	switch {
	case q.Broken || p.Broken || (q.Block == nil) != (p.Block == nil):
		return false
	case p.Block != nil:
		return blockCovers(q.Block, p.Block)
	case q.OwnNamespace:
		return p.OwnNamespace && selectorCovers(q.Pods, p.Pods)
	case p.OwnNamespace: // which labels the own namespace will have nobody knows
		return q.Namespaces.SelectsAll() && selectorCovers(q.Pods, p.Pods)
	}
	return selectorCovers(q.Namespaces, p.Namespaces) && selectorCovers(q.Pods, p.Pods)
}

func selectorCovers(q, p selector.Selector) bool {
	wide, a := q.Requirements()
	narrow, b := p.Requirements()
	return a == selector.Yes && b == selector.Yes && wants(wide).coveredBy(narrow)
}

// blockCovers: what q leaves out, p must not have.
func blockCovers(q, p *cluster.IPBlock) bool {
	if q.Prefix.Bits() > p.Prefix.Bits() || !q.Prefix.Overlaps(p.Prefix) {
		return false
	}
	for _, e := range q.Except {
		out := func(x netip.Prefix) bool { return x.Bits() <= e.Bits() && x.Overlaps(e) }
		if e.Overlaps(p.Prefix) && !slices.ContainsFunc(p.Except, out) {
			return false
		}
	}
	return true
}
