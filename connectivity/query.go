package connectivity

import (
	"net/netip"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// Selection chooses peers: workloads by the labels of their namespace and pods,
// or addresses outside the cluster. A pod that was relabelled away from its
// controller's template is still chosen by that template's labels too: a label
// edit is no way out of a guardrail.
type Selection struct {
	Namespaces cluster.Selector
	Pods       cluster.Selector
	// Block, when valid, chooses addresses outside the cluster instead.
	Block netip.Prefix
}

// Everyone selects every workload.
func Everyone() Selection {
	return Selection{Namespaces: cluster.Everything(), Pods: cluster.Everything()}
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
}

// apart leaves, of two choices of one workload, the variants that only one of
// them chose. Choices of different workloads stay as they are.
func apart(from, to chosen) (chosen, chosen) {
	if from.workload != to.workload {
		return from, to
	}
	return from.without(to), to.without(from)
}

func (c chosen) without(o chosen) chosen {
	out := chosen{workload: c.workload}
	for _, v := range c.variants {
		if !slices.Contains(o.variants, v) {
			out.variants = append(out.variants, v)
		}
	}
	return out
}

// choose lists the workloads that the selection chooses, by namespace, kind and name.
func (s Selection) choose(snapshot *cluster.Snapshot) []chosen {
	var out []chosen
	for ns := range snapshot.SelectNamespaces(s.Namespaces) {
		bits, variants := snapshot.SelectVariants(ns.Name, s.Pods), snapshot.Variants(ns.Name)
		strays := snapshot.Strays(ns.Name)
		if len(strays) > 0 {
			bits = bits.Clone()
		}
		for _, w := range strays {
			for _, v := range w.Variants {
				if at, ok := snapshot.Position(v); ok && s.Pods.Matches(w.ParentLabels) != cluster.No {
					bits.Set(at)
				}
			}
		}
		for at := range bits.EachSet() {
			out = appendVariant(out, variants[at])
		}
	}
	return out
}

func appendVariant(list []chosen, v *cluster.Variant) []chosen {
	if n := len(list) - 1; n >= 0 && list[n].workload == v.Workload {
		c := &list[n]
		if next := len(c.variants); next < len(v.Workload.Variants) && v == v.Workload.Variants[next] && &c.variants[0] == &v.Workload.Variants[0] {
			c.variants = v.Workload.Variants[:next+1] // all so far: the workload's own list does
		} else {
			c.variants = append(slices.Clip(c.variants), v)
		}
		return list
	}
	if v == v.Workload.Variants[0] {
		return append(list, chosen{v.Workload, v.Workload.Variants[:1]})
	}
	return append(list, chosen{v.Workload, []*cluster.Variant{v}})
}

// chooseOne is choose for one workload.
func (s Selection) chooseOne(snapshot *cluster.Snapshot, w *cluster.Workload) []*cluster.Variant {
	ns, ok := snapshot.Namespace(w.Namespace)
	if !ok || s.Namespaces.Matches(ns.Labels) == cluster.No {
		return nil
	}
	return s.variantsOf(w)
}

func (s Selection) variantsOf(w *cluster.Workload) []*cluster.Variant {
	if w.Parent != (cluster.Ref{}) && s.Pods.Matches(w.ParentLabels) != cluster.No {
		return w.Variants
	}
	var out []*cluster.Variant
	for _, v := range w.Variants {
		if s.Pods.Matches(v.Labels) != cluster.No {
			out = append(out, v)
		}
	}
	return out
}
