package connectivity

import (
	"slices"

	"go4.org/netipx"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// WideQuery says what counts as wide.
type WideQuery struct {
	Directions []cluster.Direction
	// ManyPorts is from how many ports on a rule is wide in ports.
	ManyPorts int
	// Except are workloads that may be let in and out widely, and of which it need not be
	// known whom they call.
	Except []Selection
	// Public are workloads that take connections from outside: to let all addresses in to
	// them alone is not wide.
	Public []Selection
}

// WideRule is a rule of a netpol that lets through more than some names would.
type WideRule struct {
	Direction cluster.Direction
	Rule      int // counts from 0
	// Workloads are those that the netpol selects, sorted, without the exceptions.
	Workloads []*cluster.Workload
	// Namespaces is set for every pod of every namespace, one that is yet to come as well;
	// Addresses for half of the addresses of a family or more; Ports for many ports.
	Namespaces, Addresses, Ports bool
	// Through are the ports that it lets through by number.
	Through PortSet
	// Shown are the ports that the containers of the destinations declare; empty where one
	// of them declares none.
	Shown PortSet
	// Known is set when it is known who is on the other end: everybody is isolated in the
	// opposite direction, and so says whom it calls, or who may call. Others are those whose
	// own netpols let them reach, or be reached from, the workloads, sorted.
	Known  bool
	Others []*cluster.Workload
}

// wider tells whether something is wide that was not.
func (r WideRule) wider(was []WideRule) bool {
	news := func(kind func(WideRule) bool) bool {
		return kind(r) && !slices.ContainsFunc(was, func(o WideRule) bool {
			return kind(o) && o.Direction == r.Direction && !slices.ContainsFunc(r.Workloads, func(w *cluster.Workload) bool {
				return !slices.ContainsFunc(o.Workloads, func(x *cluster.Workload) bool { return x.Ref == w.Ref })
			})
		})
	}
	return news(func(o WideRule) bool { return o.Namespaces }) || news(func(o WideRule) bool { return o.Addresses }) || news(func(o WideRule) bool { return o.Ports })
}

// Widened lists the wide rules of a netpol that a change makes: those of the netpol after it
// that are not as wide before, for the same workloads. Before it there may be none.
func Widened(before *cluster.Snapshot, was *cluster.Netpol, after *cluster.Snapshot, is *cluster.Netpol, q WideQuery, o Options) []WideRule {
	rules := wideRules(after, is, q)
	if len(rules) == 0 {
		return nil
	}
	var earlier []WideRule
	if was != nil {
		earlier = wideRules(before, was, q)
	}
	rules = slices.DeleteFunc(rules, func(r WideRule) bool { return !r.wider(earlier) })
	w := &width{snapshot: after, netpol: is, query: q, options: o}
	for i := range rules {
		w.otherEnds(&rules[i])
	}
	return rules
}

// wideRules are those by what they say, and by who is selected.
func wideRules(s *cluster.Snapshot, n *cluster.Netpol, q WideQuery) []WideRule {
	selected := Selects(s, n)
	var subjects []*cluster.Workload
	for _, m := range selected.Workloads {
		if !q.excepts(s, m.Workload) {
			subjects = append(subjects, m.Workload)
		}
	}
	if len(subjects) == 0 {
		return nil
	}
	var out []WideRule
	for _, d := range q.Directions {
		for i := range n.Rules[d] {
			r := WideRule{Direction: d, Rule: i, Workloads: subjects}
			rule, matched := &n.Rules[d][i], selected.Rules[d][i]
			r.Namespaces = rule.AnyPeer || slices.ContainsFunc(rule.Peers, everyNamespace)
			r.Addresses = (rule.AnyPeer || halfOfAll(matched.Blocks)) && (d == cluster.Egress || !q.arePublic(s, subjects))
			r.Through = matched.Ports
			if matched.AnyPort {
				r.Through = AllPorts()
			}
			r.Ports = q.ManyPorts > 0 && portsIn(r.Through) >= q.ManyPorts
			if r.Namespaces || r.Addresses || r.Ports {
				r.Shown = shownBy(s, destinations(d, subjects, matched))
				out = append(out, r)
			}
		}
	}
	return out
}

// destinations are where a rule leads to.
func destinations(d cluster.Direction, subjects []*cluster.Workload, matched RuleSelection) []*cluster.Workload {
	if d == cluster.Ingress {
		return subjects
	}
	var out []*cluster.Workload
	for _, m := range matched.Workloads {
		out = append(out, m.Workload)
	}
	return out
}

// anyNamespace is one that nobody has named.
var anyNamespace = map[string]string{"kubernetes.io/metadata.name": "a-namespace-that-nobody-has-named"}

// everyNamespace tells whether a peer is every pod of every namespace, but perhaps of some.
func everyNamespace(p cluster.NetpolPeer) bool {
	return p.Block == nil && !p.OwnNamespace && !p.Broken && p.Pods.SelectsAll() && p.Namespaces.Matches(anyNamespace) == selector.Yes
}

// halfOfAll tells whether blocks hold half of the IPv4 addresses, or half of those of IPv6
// that are given out (2000::/3).
func halfOfAll(blocks []*cluster.IPBlock) bool {
	var b netipx.IPSetBuilder
	for _, block := range blocks {
		b.AddPrefix(block.Prefix)
	}
	for _, block := range blocks {
		for _, e := range block.Except {
			b.RemovePrefix(e)
		}
	}
	all := build(&b)
	if all == nil {
		return false
	}
	const half, given = 31, 125 // as powers of two
	four, six := 0.0, 0.0
	for _, p := range all.Prefixes() {
		if p.Addr().Is4() {
			four += power(32 - p.Bits() - half)
		} else {
			six += power(128 - p.Bits() - given + 1)
		}
	}
	return four >= 1-almost || six >= 1-almost
}

// almost is how much may be missing, as exceptions for private networks.
const almost = 0.2

func power(n int) float64 {
	out := 1.0
	for ; n > 0; n-- {
		out *= 2
	}
	for ; n < 0; n++ {
		out /= 2
	}
	return out
}

// portsIn counts ports.
func portsIn(s PortSet) int {
	n := 0
	for _, r := range s.Ranges() {
		n += int(r.Last) - int(r.First) + 1
	}
	return n
}

// shownBy are the ports that workloads declare, none where one declares none.
func shownBy(s *cluster.Snapshot, workloads []*cluster.Workload) PortSet {
	var ranges []PortRange
	for _, w := range workloads {
		ports := s.DeclaredPorts(w)
		if len(ports) == 0 {
			return PortSet{}
		}
		for _, p := range ports {
			ranges = append(ranges, PortRange{p.Protocol, p.Port, p.Port})
		}
	}
	return Ports(ranges...)
}

func (q WideQuery) excepts(s *cluster.Snapshot, w *cluster.Workload) bool {
	return chosenByAny(q.Except, s, w)
}

func (q WideQuery) arePublic(s *cluster.Snapshot, workloads []*cluster.Workload) bool {
	return !slices.ContainsFunc(workloads, func(w *cluster.Workload) bool { return !chosenByAny(q.Public, s, w) })
}

func chosenByAny(selections []Selection, s *cluster.Snapshot, w *cluster.Workload) bool {
	return slices.ContainsFunc(selections, func(x Selection) bool { return !x.external() && len(x.chooseOne(s, w)) > 0 })
}

// width finds out who is on the other end of the rules of one netpol.
type width struct {
	snapshot *cluster.Snapshot
	netpol   *cluster.Netpol
	query    WideQuery
	options  Options
	known    [2]*bool // by the direction of the rule
}

// otherEnds finds whom the netpols of others let reach the workloads, or be reached by them.
func (w *width) otherEnds(r *WideRule) {
	if r.Known = w.everybodySays(r); !r.Known {
		return
	}
	e := newEvaluator(w.snapshot, w.options)
	subjects := slices.DeleteFunc(Selection{Namespaces: selector.Everything(), Pods: w.netpol.Selector}.choose(w.snapshot, everyone), func(c chosen) bool {
		return c.workload.Namespace != w.netpol.Namespace
	})
	from, to := Everyone().choose(w.snapshot, everyone), subjects
	if r.Direction == cluster.Egress {
		from, to = to, from
	}
	for _, c := range e.openAmong(from, to, Query{Ports: r.Shown}.ports(), w.options) {
		other := c.From.Workload
		if r.Direction == cluster.Egress {
			other = c.To.Workload
		}
		if !slices.Contains(r.Others, other) && !slices.Contains(r.Workloads, other) && !w.query.excepts(w.snapshot, other) {
			r.Others = append(r.Others, other)
		}
	}
	slices.SortFunc(r.Others, func(a, b *cluster.Workload) int { return a.Ref.Compare(b.Ref) })
}

// everybodySays tells whether everybody else is isolated in the direction opposite to a rule.
func (w *width) everybodySays(r *WideRule) bool {
	if w.known[r.Direction] == nil {
		known := true
		e := newEvaluator(w.snapshot, w.options)
		for x := range w.snapshot.AllWorkloads() {
			if slices.Contains(r.Workloads, x) || w.query.excepts(w.snapshot, x) {
				continue
			}
			if e.isolation(x).Isolated[1-r.Direction] != selector.Yes {
				known = false
				break
			}
		}
		w.known[r.Direction] = &known
	}
	return *w.known[r.Direction]
}
