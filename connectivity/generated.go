package connectivity

import (
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// doubtOf is why a selector answers Maybe about a pod.
func doubtOf(s selector.Selector, v *cluster.Variant) Uncertainty {
	if s.Broken() || v.Unread() != 0 {
		return UnparsableSelector
	}
	return GeneratedLabel
}

// asking makes the evaluator tell apart what the selections of a query tell apart:
// a template stands for pods with labels that only its controller gives, and
// where a selection asks for one of them, it is about some of these pods.
func (e *evaluator) asking(q Query) *evaluator {
	if !q.From.Pods.AsksForGenerated() && !q.To.Pods.AsksForGenerated() {
		return e
	}
	e.asked = [2]selector.Selector{source: q.From.Pods, destination: q.To.Pods}
	e.mentioning = e.asked[:]
	return e
}

// meant are the classes of one end of a path, without the parts of a variant that
// the query is not about, though it chose the variant for the other parts.
func (e *evaluator) meant(end int, variants []*cluster.Variant) []*cluster.Variant {
	return e.parts(end, e.classes(variants))
}

// sources and destinations are the classes of the two ends.
func (e *evaluator) sources(from []*cluster.Variant) []*cluster.Variant { return e.meant(source, from) }

func (e *evaluator) destinations(to []*cluster.Variant) []*cluster.Variant {
	return e.meant(destination, to)
}

func (e *evaluator) parts(end int, classes []*cluster.Variant) []*cluster.Variant {
	s := e.asked[end]
	if !s.AsksForGenerated() {
		return classes
	}
	out := make([]*cluster.Variant, 0, len(classes))
	for _, v := range classes {
		if !v.Part() || v.Matches(s) != selector.No || v.Whole().Matches(s) == selector.No {
			out = append(out, v)
		}
	}
	return out
}
