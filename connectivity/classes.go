package connectivity

import "github.com/podcullis/podcullis/cluster"

// classes joins the variants that no netpol can tell apart, and takes apart those
// whose pods a netpol does.
func (e *evaluator) classes(variants []*cluster.Variant) []*cluster.Variant {
	if len(variants) == 0 {
		return nil
	}
	w := variants[0].Workload
	keys := e.keysIn(w.Namespace)
	if len(variants) < 2 && !keys.Split(variants) {
		return variants
	}
	if len(w.Variants) == len(variants) && &w.Variants[0] == &variants[0] {
		return w.Classes(keys)
	}
	key := listKey{&variants[0], len(variants)}
	out, ok := e.joined[key]
	if !ok {
		out = cluster.Join(variants, keys)
		put(&e.joined, key, out)
	}
	return out
}

// listKey is the identity of a list, which nobody changes once it is made.
type listKey struct {
	first **cluster.Variant
	n     int
}

// keysIn are the label keys, of pods of a namespace, that selectors mention: those in
// force, and those of the question.
func (e *evaluator) keysIn(namespace string) *cluster.Keys {
	keys, ok := e.keys[namespace]
	if !ok {
		keys = e.snapshot.KeysIn(namespace).With(e.mentioning...)
		put(&e.keys, namespace, keys)
	}
	return keys
}

// split takes variants of one workload apart by what selectors mention.
func (e *evaluator) split(variants []*cluster.Variant) []*cluster.Variant {
	if len(variants) == 0 {
		return variants
	}
	return cluster.Split(variants, e.keysIn(variants[0].Workload.Namespace))
}
