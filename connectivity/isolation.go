package connectivity

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// Isolation is whether netpols isolate a workload. A workload is isolated when
// every pod of it is.
type Isolation struct {
	Workload *cluster.Workload
	// Isolated is indexed by direction: Yes, No, or Maybe when that depends on a
	// selector that does not parse, or on labels that pods are yet to get; Unknown
	// says on which.
	Isolated [2]selector.Match
	Unknown  [2]Uncertainty
	// By are the netpols that isolate a pod of the workload, by direction and name.
	By [2][]cluster.Ref
}

// Isolated lists the isolation of the workloads that a selection chooses, sorted.
func Isolated(s *cluster.Snapshot, which Selection) []Isolation {
	e := newEvaluator(s, Options{})
	var out []Isolation
	for _, c := range which.choose(s, everyone) {
		out = append(out, e.isolation(c.workload))
	}
	return out
}

// IsolationOf is the isolation of one workload.
func IsolationOf(s *cluster.Snapshot, w *cluster.Workload) Isolation {
	return newEvaluator(s, Options{}).isolation(w)
}

func (e *evaluator) isolation(w *cluster.Workload) Isolation {
	out := Isolation{Workload: w}
	for d := range out.Isolated {
		out.Isolated[d] = selector.Yes
		for _, v := range e.split(w.Variants) {
			isolated, unknown := e.isolates(v, cluster.Direction(d))
			if out.Isolated[d] = out.Isolated[d].And(isolated); isolated == selector.Maybe && out.Unknown[d] == "" {
				out.Unknown[d] = unknown
			}
			for _, n := range e.netpols(v, cluster.Direction(d)) {
				if !v.HostNetwork && !slices.Contains(out.By[d], n.Ref()) {
					out.By[d] = append(out.By[d], n.Ref())
				}
			}
		}
		if out.Isolated[d] != selector.Maybe {
			out.Unknown[d] = ""
		}
		slices.SortFunc(out.By[d], cluster.Ref.Compare)
	}
	return out
}

// isolates tells whether a netpol isolates a pod, and why that is not certain; none
// does for a pod of the host's network.
func (e *evaluator) isolates(v *cluster.Variant, d cluster.Direction) (selector.Match, Uncertainty) {
	best := selector.No
	if v.HostNetwork {
		return best, ""
	}
	var unknown Uncertainty
	for _, n := range e.netpols(v, d) {
		if best = best.Or(n.Match); n.Match == selector.Maybe && unknown == "" {
			unknown = doubtOf(n.Selector, v)
		}
	}
	return best, unknown
}

// Exposure is a workload that a change leaves without isolation in one direction.
type Exposure struct {
	Workload  *cluster.Workload
	Direction cluster.Direction
	// New is set when the workload did not exist before; else it was isolated.
	New bool
	// HostNetwork is set when the reason is that the pods are on the host's network.
	HostNetwork bool
	// By are the netpols that isolated it before.
	By []cluster.Ref
	// Partly are the netpols that isolate some of its pods now, or perhaps all of
	// them; then Unknown says what that depends on. Perhaps is not isolated.
	Partly  []cluster.Ref
	Unknown Uncertainty
}

// Exposed lists the workloads, among those that a selection chooses, that are
// not isolated after a change though they are new or were isolated before,
// sorted. What was not isolated before and is not now is not this change's doing.
func Exposed(before, after *cluster.Snapshot, which Selection, o Options, directions ...cluster.Direction) []Exposure {
	t := &transition{
		before: newEvaluator(before, o), after: newEvaluator(after, o),
		query: Query{From: which}, options: o, delta: o.since(after, before),
	}
	t.delta.KeepIsolating()
	if !t.matters() {
		return nil
	}
	var out []Exposure
	for _, c := range t.chosenAmong(which, t.affected()) {
		now := t.after.isolation(c.workload)
		for _, d := range directions {
			if now.Isolated[d] == selector.Yes {
				continue
			}
			if x, ok := t.exposure(which, c, now, d); ok {
				out = append(out, x)
			}
		}
	}
	return out
}

// exposure compares the pods and templates of a workload with what they were; what
// is new counts as isolated before.
func (t *transition) exposure(which Selection, c chosen, now Isolation, d cluster.Direction) (Exposure, bool) {
	x := Exposure{Workload: c.workload, Direction: d, New: true, Partly: now.By[d], Unknown: now.Unknown[d]}
	exposed := false
	for _, ends := range t.sidesOf(which, &t.from, c) {
		is, was := t.after.isolatesAll(ends.now, d), selector.Yes
		if earlier := append(t.heldAlone(ends.gone), ends.was...); len(earlier) > 0 {
			was = t.before.isolatesAll(earlier, d)
		}
		if is >= was {
			continue
		}
		exposed = true
		x.New = x.New && ends.isNew()
		x.HostNetwork = x.HostNetwork || slices.ContainsFunc(ends.now, func(v *cluster.Variant) bool { return v.HostNetwork })
		x.By = append(x.By, t.before.isolating(d, ends.was)...)
	}
	x.By = distinct(x.By)
	return x, exposed
}

// isolatesAll tells whether netpols isolate every one of some pods.
func (e *evaluator) isolatesAll(variants []*cluster.Variant, d cluster.Direction) selector.Match {
	all := selector.Yes
	for _, v := range e.split(variants) {
		isolated, _ := e.isolates(v, d)
		all = all.And(isolated)
	}
	return all
}
