package connectivity

import "github.com/podcullis/podcullis/cluster"

// classes joins the variants that no netpol can tell apart.
func (e *evaluator) classes(variants []*cluster.Variant) []*cluster.Variant {
	if len(variants) < 2 {
		return variants
	}
	if w := variants[0].Workload; len(w.Variants) == len(variants) && &w.Variants[0] == &variants[0] {
		return e.snapshot.Classes(w)
	}
	key := listKey{&variants[0], len(variants)}
	out, ok := e.joined[key]
	if !ok {
		out = cluster.Join(variants, e.snapshot.SelectorKeys())
		e.joined[key] = out
	}
	return out
}

// listKey is the identity of a list, which nobody changes once it is made.
type listKey struct {
	first **cluster.Variant
	n     int
}
