package connectivity

import "github.com/podcullis/podcullis/cluster"

// classes joins the variants that no netpol can tell apart, and takes apart those
// whose pods a netpol does.
func (e *evaluator) classes(variants []*cluster.Variant) []*cluster.Variant {
	if len(variants) < 2 && !e.keys.Split(variants) {
		return variants
	}
	if w := variants[0].Workload; e.keys == e.snapshot.SelectorKeys() && len(w.Variants) == len(variants) && &w.Variants[0] == &variants[0] {
		return e.snapshot.Classes(w)
	}
	key := listKey{&variants[0], len(variants)}
	out, ok := e.joined[key]
	if !ok {
		out = cluster.Join(variants, e.keys)
		e.joined[key] = out
	}
	return out
}

// listKey is the identity of a list, which nobody changes once it is made.
type listKey struct {
	first **cluster.Variant
	n     int
}
