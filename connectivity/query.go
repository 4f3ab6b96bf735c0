package connectivity

import (
	"net/netip"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// Selection chooses peers: workloads by the labels of their namespace and pods,
// or addresses outside the cluster. A pod that was relabelled away from its
// controller's template is still chosen by that template's labels too: a label
// edit is no way out of a guardrail.
type Selection struct {
	Namespaces selector.Selector
	Pods       selector.Selector
	// Block, when valid, chooses addresses outside the cluster instead.
	Block netip.Prefix
}

// Everyone selects every workload.
func Everyone() Selection {
	return Selection{Namespaces: selector.Everything(), Pods: selector.Everything()}
}

// Anywhere are the blocks that hold every address outside the cluster.
func Anywhere() [2]netip.Prefix {
	return [2]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
}

func (s Selection) external() bool { return s.Block.IsValid() }

// Query asks for the connections from some peers to others.
type Query struct {
	From, To Selection
	// Ports limits the answer; the empty set means every port.
	Ports PortSet
	// Scope is which pods the query is about.
	Scope Scope
	// Blocked are the reasons for which a path that is unknown counts as blocked.
	Blocked []Uncertainty
}

func (q Query) ports() PortSet {
	if q.Ports.Empty() {
		return AllPorts()
	}
	return q.Ports
}

// chosen is a workload with those of its variants that a selection chooses.
type chosen struct {
	workload *cluster.Workload
	variants []*cluster.Variant
	// positions are those of the variants among the members of their namespace.
	positions []uint
}

// without leaves the variants that the other choice has not.
func (c chosen) without(o chosen) chosen {
	out := chosen{workload: c.workload}
	for _, v := range c.variants {
		if !slices.ContainsFunc(o.variants, v.Same) {
			out.variants = append(out.variants, v)
		}
	}
	return out
}

// choose lists the workloads that the selection chooses, by namespace, kind and
// name: of all, or only of those that some reach holds.
func (s Selection) choose(snapshot *cluster.Snapshot, within *reach) []chosen {
	var out []chosen
	for ns, members := range snapshot.SelectNamespaces(s.Namespaces) {
		if !within.everyone && within.in(ns.Name) == nil {
			continue
		}
		first := len(out)
		variants := members.Variants()
		positions := s.positions(members)
		for i, at := range positions {
			if v := variants[at]; len(out) == first || out[len(out)-1].workload != v.Workload {
				out = append(out, chosen{workload: v.Workload, positions: positions[i:i]})
			}
			c := &out[len(out)-1]
			c.positions = c.positions[:len(c.positions)+1]
		}
		out = append(out[:first], fill(out[first:], variants, within)...)
	}
	return out
}

// positions are those of the variants that the selection chooses in one of its
// namespaces.
func (s Selection) positions(members cluster.Members) []uint {
	bits := members.Select(s.Pods)
	if strays := members.Strays(); len(strays) > 0 {
		bits = bits.Clone()
		for _, w := range strays {
			if w.ParentMatches(s.Pods) == selector.No {
				continue
			}
			for _, v := range w.Variants {
				if at, ok := members.Position(v); ok {
					bits.Set(at)
				}
			}
		}
	}
	return slices.AppendSeq(make([]uint, 0, bits.Count()), bits.EachSet())
}

// fill gives the chosen workloads their variants, and leaves out those that the
// reach does not hold.
func fill(list []chosen, variants []*cluster.Variant, within *reach) []chosen {
	out := list[:0]
	for _, c := range list {
		if !within.holds(&c) {
			continue
		}
		if len(c.positions) == len(c.workload.Variants) {
			c.variants = c.workload.Variants
		} else {
			for _, at := range c.positions {
				c.variants = append(c.variants, variants[at])
			}
		}
		out = append(out, c)
	}
	return out
}

// chooses reports whether the selection chooses a variant of a workload.
func (s Selection) chooses(snapshot *cluster.Snapshot, v *cluster.Variant) bool {
	w := v.Workload
	ns, ok := snapshot.Namespace(w.Namespace)
	if !ok || s.external() || ns.Matches(s.Namespaces) == selector.No {
		return false
	}
	return v.Matches(s.Pods) != selector.No || w.ParentMatches(s.Pods) != selector.No
}

// chooseOne is choose for one workload.
func (s Selection) chooseOne(snapshot *cluster.Snapshot, w *cluster.Workload) []*cluster.Variant {
	ns, ok := snapshot.Namespace(w.Namespace)
	if !ok || ns.Matches(s.Namespaces) == selector.No {
		return nil
	}
	return s.variantsOf(w)
}

func (s Selection) variantsOf(w *cluster.Workload) []*cluster.Variant {
	if w.ParentMatches(s.Pods) != selector.No {
		return w.Variants
	}
	var out []*cluster.Variant
	for _, v := range w.Variants {
		if v.Matches(s.Pods) != selector.No {
			out = append(out, v)
		}
	}
	return out
}
