package connectivity

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// Breadth is a way in which a workload is open to more than somebody has named.
type Breadth string

// The ways there are.
const (
	// OnHostNetwork is where no netpol has a say.
	OnHostNetwork Breadth = "hostNetwork"
	// WithoutIsolation is where no netpol isolates a pod.
	WithoutIsolation Breadth = "notIsolated"
	// EveryPod is a rule for every pod of every namespace, of one that is yet to come as well.
	EveryPod Breadth = "namespaces"
	// LabelledPods is a rule for pods of every namespace that wear some labels, which whoever
	// makes pods there gives them.
	LabelledPods Breadth = "labels"
	// AllAddresses are rules that hold half of the addresses of a family or more.
	AllAddresses Breadth = "addresses"
	// UndeclaredPorts are rules for ports that no container of the workload declares. Only of
	// ingress: the ports of egress are somebody else's.
	UndeclaredPorts Breadth = "ports"
)

// Breadths lists them.
func Breadths() []Breadth {
	return []Breadth{OnHostNetwork, WithoutIsolation, EveryPod, LabelledPods, AllAddresses, UndeclaredPorts}
}

// UnboundedQuery says what is asked about.
type UnboundedQuery struct {
	Which Selection
	// Except are workloads that may be open so.
	Except     []Selection
	Directions []cluster.Direction
	By         []Breadth
	// ManyPorts is on how many ports rules have to be so wide to count, those of all rules
	// together; 0 and 1 are any.
	ManyPorts int
}

// Unbounded is a workload that a change opens to more than somebody has named.
type Unbounded struct {
	Workload  *cluster.Workload
	Direction cluster.Direction
	By        Breadth
	// New is set when the workload did not exist before.
	New bool
	// Rules are those that let it be so, sorted; none of WithoutIsolation and OnHostNetwork.
	Rules []Reason
	// Ports are those that are so open by number, and Named the others; of UndeclaredPorts
	// those that nobody declares.
	Ports PortSet
	Named []string
}

// BecomeUnbounded lists the workloads that are open in one of the ways after a change, on
// ports on which they were not open so before, or to more; sorted. Pods are compared with
// what they may be compared with (see past), and what was there before is not the
// change's doing.
func BecomeUnbounded(before, after *cluster.Snapshot, q UnboundedQuery, o Options) []Unbounded {
	t := &transition{
		before: newEvaluator(before, o), after: newEvaluator(after, o),
		query: Query{From: q.Which}, options: o, delta: o.since(after, before),
	}
	if !t.matters() {
		return nil
	}
	var out []Unbounded
	for _, c := range t.chosenAmong(q.Which, t.affected()) {
		if chosenByAny(q.Except, after, c.workload) {
			continue
		}
		for i, d := range q.Directions {
			for _, by := range q.By {
				if by == OnHostNetwork && i > 0 || by == UndeclaredPorts && d != cluster.Ingress {
					continue // said once
				}
				if x, ok := t.unbounded(q, c, d, by); ok {
					out = append(out, x)
				}
			}
		}
	}
	return out
}

func (t *transition) unbounded(q UnboundedQuery, c chosen, d cluster.Direction, by Breadth) (Unbounded, bool) {
	x := Unbounded{Workload: c.workload, Direction: d, By: by, New: true}
	declared := PortSet{}
	if by == UndeclaredPorts {
		declared = declaredPorts(t.after.snapshot, c.workload)
	}
	found := false
	for _, ends := range t.sidesOf(q.Which, &t.from, c) {
		now := t.after.breadth(ends.now, d, by, selector.Maybe)
		if by == UndeclaredPorts {
			now.leaveOut(declared)
		}
		if now.count() < max(1, q.ManyPorts) && (by != UndeclaredPorts || declared.Empty()) {
			continue
		}
		earlier := append(t.heldAlone(ends.gone), ends.was...)
		// What was perhaps so is compared with what is perhaps so, and what is certain with
		// what was certain: an edit of something else opens neither.
		perhaps := t.before.breadthBefore(earlier, d, by, selector.Maybe)
		sure, surely := t.before.breadthBefore(earlier, d, by, selector.Yes), t.after.breadth(ends.now, d, by, selector.Yes)
		if by == UndeclaredPorts {
			surely.leaveOut(declared)
		}
		if !now.beyond(perhaps) && !surely.beyond(sure) {
			continue
		}
		found = true
		x.New = x.New && ends.isNew()
		x.Ports = x.Ports.Union(now.ports)
		x.Named = append(x.Named, now.named...)
		for _, r := range now.rules {
			x.Rules = append(x.Rules, r.Reason)
		}
	}
	slices.Sort(x.Named)
	x.Named = slices.Compact(x.Named)
	slices.SortFunc(x.Rules, compareReasons)
	x.Rules = slices.CompactFunc(x.Rules, func(a, b Reason) bool { return compareReasons(a, b) == 0 })
	return x, found
}

func compareReasons(a, b Reason) int {
	if n := a.Netpol.Compare(b.Netpol); n != 0 {
		return n
	}
	return a.Rule - b.Rule
}

// declaredPorts are those that a workload's pods show.
func declaredPorts(s *cluster.Snapshot, w *cluster.Workload) PortSet {
	var out []PortRange
	for _, p := range s.DeclaredPorts(w) {
		out = append(out, PortRange{p.Protocol, p.Port, p.Port})
	}
	return Ports(out...)
}

// openness of some pods: on which ports they are open so, and by which rules.
type openness struct {
	ports PortSet
	named []string
	rules []ruleOpenness
}

type ruleOpenness struct {
	Reason
	ports PortSet
}

func (o *openness) count() int { return portsIn(o.ports) + len(o.named) }

func (o *openness) add(x openness) {
	o.ports = o.ports.Union(x.ports)
	o.named = append(o.named, x.named...)
	o.rules = append(o.rules, x.rules...)
}

func (o *openness) leaveOut(declared PortSet) {
	o.ports = o.ports.Subtract(declared)
	o.named = nil // a name is a port that the containers declare
	o.rules = slices.DeleteFunc(o.rules, func(r ruleOpenness) bool { return r.ports.Subtract(declared).Empty() })
}

// beyond tells whether something is open that was not.
func (o *openness) beyond(was openness) bool {
	if !o.ports.Subtract(was.ports).Empty() {
		return true
	}
	return !was.ports.All() && slices.ContainsFunc(o.named, func(n string) bool { return !slices.Contains(was.named, n) })
}

// includes are the ways in which somebody was open already who is open in one now: who is
// not isolated is open to everybody.
func (b Breadth) includes() []Breadth {
	out := []Breadth{b, OnHostNetwork}
	if b != OnHostNetwork {
		out = append(out, WithoutIsolation)
	}
	if b == LabelledPods {
		out = append(out, EveryPod)
	}
	return out
}

// breadthBefore is what pods were open to, in this way or one that includes it.
func (e *evaluator) breadthBefore(variants []*cluster.Variant, d cluster.Direction, by Breadth, least selector.Match) openness {
	var out openness
	for _, way := range by.includes() {
		out.add(e.breadth(variants, d, way, least))
	}
	return out
}

// breadth is on which ports one of some pods is open in one way, at least as surely as least.
func (e *evaluator) breadth(variants []*cluster.Variant, d cluster.Direction, by Breadth, least selector.Match) openness {
	var out openness
	for _, v := range e.split(variants) {
		switch isolated, _ := e.isolates(v, d); {
		case by == OnHostNetwork:
			if v.HostNetwork {
				out.ports = AllPorts()
			}
		case v.HostNetwork: // no netpol is about it
		case by == WithoutIsolation:
			if isolated == selector.No || isolated == selector.Maybe && least == selector.Maybe {
				out.ports = AllPorts()
			}
		default:
			out.add(e.ruleBreadth(v, d, by, least))
		}
	}
	return out
}

// ruleBreadth is what the rules for one pod let through in one way.
func (e *evaluator) ruleBreadth(v *cluster.Variant, d cluster.Direction, by Breadth, least selector.Match) openness {
	var out openness
	var blocks []*cluster.IPBlock
	all := false
	for _, n := range e.netpols(v, d) {
		if n.Match < least {
			continue
		}
		for i := range n.Rules[d] {
			rule := &n.Rules[d][i]
			switch by {
			case AllAddresses:
				all = all || rule.AnyPeer
				at := len(blocks)
				for _, p := range rule.Peers {
					if p.Block != nil {
						blocks = append(blocks, p.Block)
					}
				}
				if !rule.AnyPeer && len(blocks) == at {
					continue
				}
			case EveryPod:
				if !rule.AnyPeer && !slices.ContainsFunc(rule.Peers, func(p cluster.NetpolPeer) bool { return ofEveryNamespace(p, least) && selectsAll(p, least) }) {
					continue
				}
			case LabelledPods:
				if !slices.ContainsFunc(rule.Peers, func(p cluster.NetpolPeer) bool { return ofEveryNamespace(p, least) && !selectsAll(p, least) }) {
					continue
				}
			}
			out.add(through(rule, Reason{Direction: d, Netpol: n.Ref(), Rule: i}))
		}
	}
	if by == AllAddresses && !all && !halfOfAll(blocks) {
		return openness{}
	}
	return out
}

// ofEveryNamespace tells whether a peer is about a namespace that nobody has named.
func ofEveryNamespace(p cluster.NetpolPeer, least selector.Match) bool {
	switch {
	case p.Block != nil || p.OwnNamespace:
		return false
	case p.Broken:
		return least == selector.Maybe
	}
	return p.Namespaces.Matches(anyNamespace) >= least
}

func selectsAll(p cluster.NetpolPeer, least selector.Match) bool {
	return p.Pods.SelectsAll() || (p.Broken || p.Pods.Broken()) && least == selector.Maybe
}

// through are the ports of a rule.
func through(r *cluster.NetpolRule, why Reason) openness {
	var out openness
	if r.AnyPort {
		out.ports = AllPorts()
	}
	for _, p := range r.Ports {
		switch {
		case p.Broken: // it may be any
			out.ports = AllPorts()
		case p.Name != "":
			out.named = append(out.named, p.Name+"/"+p.Protocol.String())
		default:
			out.ports = out.ports.Union(Ports(PortRange{p.Protocol, p.First, p.Last}))
		}
	}
	out.rules = []ruleOpenness{{why, out.ports}}
	return out
}
