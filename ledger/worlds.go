package ledger

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// MaxKeys is of how many objects in two namespaces every combination is tried.
const MaxKeys = 4

// Worlds are the combinations of entries in flight that a change has to be judged in,
// each the same before and after. One is the entries that have happened in that world:
// of each object at most one version, in order, then Bind entries, which lay their
// labels over their pod before the change and after it, then Appear entries, each of
// which brings a template beside whatever there is. Every pair of the change's own
// namespace with another gets its worlds, so no world has entries of three.
//
// about is the change itself. Entries of its own object are left out, because it persists
// only over the version that was reviewed; but not Bindings, which may come after it, and
// for a Binding not the versions of its pod.
func Worlds(entries []Entry, about Entry) (iter.Seq[[]Entry], error) {
	return worldsOf(entries, about, nil)
}

// Worlds are those of the view's entries; when it asks to judge again, only those of
// the pairs that it names.
func (v View) Worlds(about Entry) (iter.Seq[[]Entry], error) {
	if v.Again {
		return worldsOf(v.Entries, about, v.Namespaces)
	}
	return worldsOf(v.Entries, about, nil)
}

// AllWorlds are those for guardrails that look at more than pairs of namespaces: of all
// entries, in whatever namespace.
func AllWorlds(entries []Entry, about Entry) (iter.Seq[[]Entry], error) {
	g, err := group(entries, about)
	if err != nil {
		return nil, err
	}
	var all place
	for _, p := range g {
		all.keys = append(all.keys, p.keys...)
		all.appear = append(all.appear, p.appear...)
	}
	if len(all.keys) > MaxKeys {
		return nil, fmt.Errorf("%w: %d objects, and every combination of %d can be judged", ErrTooMany, len(all.keys), MaxKeys)
	}
	return func(yield func([]Entry) bool) { all.worlds(nil, yield) }, nil
}

func worldsOf(entries []Entry, about Entry, only []string) (iter.Seq[[]Entry], error) {
	g, err := group(entries, about)
	if err != nil {
		return nil, err
	}
	own := g[about.Place()]
	if own == nil {
		own = &place{}
	}
	var others []string
	for name := range g {
		if name != about.Place() && (only == nil || slices.Contains(only, name) || slices.Contains(only, about.Place())) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	pairs := make([]place, 0, len(others)+1)
	if len(others) == 0 {
		pairs = append(pairs, *own)
	}
	for _, name := range others {
		other := g[name]
		p := place{keys: slices.Concat(own.keys, other.keys), appear: slices.Concat(own.appear, other.appear)}
		pairs = append(pairs, p)
	}
	for i, p := range pairs {
		if len(p.keys) > MaxKeys {
			where := about.Place()
			if len(others) > 0 {
				where += " and " + others[i]
			}
			return nil, fmt.Errorf("%w: %d objects in %s, and every combination of %d can be judged", ErrTooMany, len(p.keys), where, MaxKeys)
		}
	}
	return func(yield func([]Entry) bool) {
		for i, p := range pairs {
			var but *place
			if i > 0 {
				but = own // those without an entry of the other namespace were tried
			}
			if !p.worlds(but, yield) {
				return
			}
		}
	}, nil
}

// place is what is in flight in one namespace, or two.
type place struct {
	keys   []*key
	appear []Entry
}

// key is one object.
type key struct {
	ref             cluster.Ref
	versions, binds []Entry
}

func group(entries []Entry, about Entry) (map[string]*place, error) {
	out := map[string]*place{}
	at := func(name string) *place {
		if out[name] == nil {
			out[name] = &place{}
		}
		return out[name]
	}
	for _, e := range entries {
		isOwn := e.Ref == about.Ref && (e.Operation == Bind) == (about.Operation == Bind)
		switch {
		case e.Operation == Barrier:
			return nil, ErrBarrier
		case e.Operation == Appear:
			at(e.Place()).appear = append(at(e.Place()).appear, e)
			continue
		case isOwn:
			continue
		}
		p := at(e.Place())
		i := slices.IndexFunc(p.keys, func(k *key) bool { return k.ref == e.Ref })
		if i < 0 {
			i = len(p.keys)
			p.keys = append(p.keys, &key{ref: e.Ref})
		}
		if e.Operation == Bind {
			p.keys[i].binds = append(p.keys[i].binds, e)
		} else {
			p.keys[i].versions = append(p.keys[i].versions, e)
		}
	}
	if about.Before != nil { // its own pods of the past may meet those of the future
		p := at(about.Place())
		p.appear = append(p.appear, about.appearing())
	}
	return out, nil
}

// worlds yields every combination, but those in which nothing beside but takes part.
func (p place) worlds(but *place, yield func([]Entry) bool) bool {
	chosen := make([]Entry, 0, 2*len(p.keys))
	return p.choose(0, chosen, but, yield)
}

func (p place) choose(i int, chosen []Entry, but *place, yield func([]Entry) bool) bool {
	if i == len(p.keys) {
		return p.show(chosen, but, yield)
	}
	k := p.keys[i]
	for v := -1; v < len(k.versions); v++ {
		with := chosen
		if v >= 0 {
			with = append(with, k.versions[v])
		}
		if !p.choose(i+1, with, but, yield) {
			return false
		}
		for _, b := range k.binds {
			if !p.choose(i+1, append(with, b), but, yield) {
				return false
			}
		}
	}
	return true
}

// show yields a combination without the pods that may appear, and with all of them:
// they are no alternatives to anything.
func (p place) show(chosen []Entry, but *place, yield func([]Entry) bool) bool {
	other := but == nil
	for i := 0; !other && i < len(chosen); i++ {
		other = !slices.ContainsFunc(but.keys, func(k *key) bool { return k.ref == chosen[i].Ref })
	}
	world := slices.Clone(chosen)
	slices.SortStableFunc(world, func(a, b Entry) int {
		if (a.Operation == Bind) != (b.Operation == Bind) {
			if a.Operation == Bind {
				return 1
			}
			return -1
		}
		return cmp.Compare(order(a), order(b))
	})
	if other && !yield(world) {
		return false
	}
	appear := slices.Clone(p.appear)
	for _, e := range chosen {
		if e.Before != nil {
			appear = append(appear, e.appearing())
		}
	}
	if len(appear) == 0 || (!other && len(p.appear) == len(but.appear)) {
		return true
	}
	return yield(append(slices.Clone(world), appear...))
}

// order is that of the writes; what is yet to be written comes last.
func order(e Entry) uint64 {
	if e.ID == 0 {
		return ^uint64(0)
	}
	return e.ID
}
