package connectivity_test

import (
	"maps"
	"slices"
)

// The naive memory: some earlier moment in which the pair was there and had the
// path, and nothing since that could open it.

func (d *readDelta) isRemembered(from, to *someone, p probe, now int) bool {
	for i, then := range d.past {
		if !d.heldSince(i, from.end.namespace) || !d.heldSince(i, to.end.namespace) {
			continue
		}
		for _, f := range d.ends(then, from, d.question.from) {
			for _, t := range d.ends(then, to, d.question.to) {
				if (f.gone || t.gone) && d.had(then, [2]*someone{f.someone, t.someone}, [2]*someone{from, to}, p, now) {
					return true
				}
			}
		}
	}
	return false
}

// pastEnd is an end of a pair that was there at an earlier moment.
type pastEnd struct {
	*someone
	gone bool // by now
}

// ends are those that lend to someone because they are remembered, and those whose
// class has stayed; each chosen by the side of the question when it was last there.
func (d *readDelta) ends(then *moment, x *someone, side refSelection) []pastEnd {
	var out []pastEnd
	for _, y := range d.gone(then, x) {
		if then.chosen(y, side) {
			out = append(out, pastEnd{y, true})
		}
	}
	for _, y := range d.wereThere(then, x, side) {
		out = append(out, pastEnd{y, false})
	}
	return out
}

// heldSince: the netpols and the labels of a namespace are what they were, all the time.
func (d *readDelta) heldSince(i int, namespace string) bool {
	for _, m := range d.past[i:] {
		if !maps.Equal(m.namespaces[namespace], d.before.namespaces[namespace]) || !slices.Equal(m.netpolsOf(namespace), d.before.netpolsOf(namespace)) {
			return false
		}
	}
	return true
}

func (m *moment) netpolsOf(namespace string) []string {
	var out []string
	for _, np := range m.netpols {
		if namespaceOf(np) == namespace {
			out = append(out, written([]any{np.Name, np.Spec}))
		}
	}
	slices.Sort(out)
	return out
}

// gone are those of a moment who lend to someone of their own sort: pods to a pod of
// the same class, templates to the same template and to those of the same class.
func (d *readDelta) gone(then *moment, x *someone) []*someone {
	mine := d.after.ownerOf(x)
	if (d.topIsForeign(x) && !d.believed) || (x.isPod() && mine == (owner{})) {
		return nil
	}
	var out []*someone
	top, _ := d.after.top(x)
	for _, y := range then.everyone {
		if d.isThere(then, y) {
			continue
		}
		if its, _ := then.top(y); y.isPod() == x.isPod() && its == top && (d.meanTheSame(x, y) || (!x.isPod() && y.identity() == x.identity())) {
			out = append(out, y)
		}
	}
	return out
}

// isThere: what is there is nothing to be remembered: a template that is what it was,
// a pod of a workload that has such a pod.
func (d *readDelta) isThere(then *moment, y *someone) bool {
	its, _ := then.top(y)
	return slices.ContainsFunc(d.before.everyone, func(is *someone) bool {
		top, _ := d.before.top(is)
		return is.kind == y.kind && top == its && (y.isPod() || is.identity() == y.identity()) &&
			maps.Equal(is.labels, y.labels) && slices.Equal(is.end.ports, y.end.ports) && is.end.hostNetwork == y.end.hostNetwork
	})
}

// wereThere are those of a moment whose class is there still, as what someone was
// before the change. A pod's class was there when its template was.
func (d *readDelta) wereThere(then *moment, x *someone, side refSelection) []*someone {
	var out []*someone
	for _, e := range d.was(x) {
		if !d.before.chosen(e, side) {
			continue
		}
		top, _ := d.before.top(e)
		for _, y := range then.everyone {
			its, _ := then.top(y)
			kin := its == top && (!e.isPod() || d.before.ownerOf(e) != (owner{})) && (e.isPod() || !y.isPod())
			if stayed := then.same(e) == y; (kin || stayed) && d.meanTheSame(e, y) { // the same object, whoever it belonged to
				out = append(out, y)
			}
		}
	}
	return out
}
