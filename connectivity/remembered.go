package connectivity

import "github.com/podcullis/podcullis/cluster"

// earlier calls yield with the pairs of earlier ends between which a path counts as
// old. What is remembered was there, and that is all: it makes a pair only with who was
// there at the same time, and only where the netpols and labels of both namespaces
// have been the same ever since. Else a shut pod could be deleted, a netpol opened for
// its labels while nobody has them, and the pod come back with a new path.
func (t *transition) earlier(f, g sides, yield func(from, to []*cluster.Variant)) {
	if len(f.was) > 0 && len(g.was) > 0 {
		yield(f.was, g.was)
	}
	for _, r := range f.gone {
		if with := t.thereWith(r, g.was); len(with) > 0 {
			yield([]*cluster.Variant{r.Variant}, with)
		}
		for _, o := range g.gone {
			if t.before.snapshot.Together(r, o) {
				yield([]*cluster.Variant{r.Variant}, []*cluster.Variant{o.Variant})
			}
		}
	}
	for _, r := range g.gone {
		if with := t.thereWith(r, f.was); len(with) > 0 {
			yield(with, []*cluster.Variant{r.Variant})
		}
	}
}

// thereWith are the ends, of the earlier snapshot, whose class was there when a
// remembered one was last seen.
func (t *transition) thereWith(r *cluster.Remembered, ends []*cluster.Variant) []*cluster.Variant {
	var out []*cluster.Variant
	if !t.before.snapshot.Held(r.Workload.Namespace, r) {
		return nil
	}
	for _, v := range ends {
		if t.before.snapshot.Held(v.Workload.Namespace, r) && t.thereSince(v, r) {
			out = append(out, v)
		}
	}
	return out
}

func (t *transition) thereSince(v *cluster.Variant, r *cluster.Remembered) bool {
	if t.before.snapshot.ThereSince(v, r) {
		return true
	}
	for _, x := range t.before.snapshot.Kin(v.Membership) {
		if t.before.snapshot.ThereSince(x, r) && t.sameMeaning(v, x) {
			return true
		}
	}
	return false
}

// heldAlone are the remembered ends whose own side is as it was: enough for what has
// one side only.
func (t *transition) heldAlone(gone []*cluster.Remembered) []*cluster.Variant {
	var out []*cluster.Variant
	for _, r := range gone {
		if t.before.snapshot.Held(r.Workload.Namespace, r) {
			out = append(out, r.Variant)
		}
	}
	return out
}
