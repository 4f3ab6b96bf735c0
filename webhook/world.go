package webhook

import (
	"fmt"
	"maps"
	"slices"

	"github.com/podcullis/podcullis/ledger"
)

// world is one that a change is judged in: what has happened there, in order, and who is
// there besides.
type world struct {
	happened []ledger.Entry
	company  company
	// created are netpols of which the parts of a shape are there.
	created []ledger.Entry
	shape   shape
}

func (w world) size() int { return len(w.happened) + len(w.company) + len(w.created) }

// maxWorlds bounds the evaluations of one review.
const maxWorlds = 64

// worlds are those that a change has to be judged in.
//
// What was updated or deleted has or has not been, in every combination of a pair of
// namespaces (ledger.Worlds). Pods and templates are a company in all of them. Of netpols
// that are created, one for each end of a path is enough: a netpol that lets a peer in
// does so whatever others there are, so if an end is open with several of them it is with
// one; if none lets the peer in, it is with none, because each isolates. For all but
// changes of labels a few shapes of all of them do.
func (j *Judge) worlds(view ledger.View, c considered) ([]world, error) {
	if j.Everywhere != nil && j.Everywhere() {
		return all(ledger.AllWorlds(view.Entries, c.own))
	}
	var together company
	created := map[string][]ledger.Entry{} // netpols, by namespace
	rest := view
	rest.Entries = nil
	for _, e := range view.Entries {
		switch {
		case e.Ref == c.own.Ref && e.Operation != ledger.Appear:
			rest.Entries = append(rest.Entries, e)
		case joins(e, c.own, c.change):
			if j.likeIt(together, e) < 2 { // which can meet each other
				together = append(together, e)
			}
		case e.Ref.Kind == "NetworkPolicy" && e.Operation == ledger.Create:
			created[e.Place()] = append(created[e.Place()], e)
		default:
			rest.Entries = append(rest.Entries, e)
		}
	}
	base, err := all(rest.Worlds(c.own))
	if err != nil {
		return nil, err
	}
	var out []world
	_, inOwn := created[c.own.Place()]
	if shapes, ok := shapesFor(c, inOwn, len(created) > 1 || (len(created) == 1 && !inOwn)); ok {
		netpols := slices.Concat(slices.Collect(maps.Values(created))...)
		for _, w := range base {
			for _, s := range shapes {
				x := world{happened: w.happened, company: slices.Concat(w.company, together), created: netpols, shape: s}
				if s == (shape{}) {
					x.created = nil
				}
				if x.size() > 0 {
					out = append(out, x)
				}
			}
		}
		return out, nil
	}
	for _, w := range base {
		for _, some := range selections(created, c.own.Place(), elsewhere(w.happened, c.own.Place())) {
			x := world{happened: inOrder(w.happened, some), company: slices.Concat(w.company, together)}
			if x.size() > 0 { // else it was judged already
				out = append(out, x)
			}
		}
		if len(out) > maxWorlds {
			return nil, fmt.Errorf("%w: more than %d combinations", ledger.ErrTooMany, maxWorlds)
		}
	}
	return out, nil
}

// all are the worlds of the ledger. Pods that may appear are a company.
func all(seq func(func([]ledger.Entry) bool), err error) ([]world, error) {
	if err != nil {
		return nil, err
	}
	var out []world
	for entries := range seq {
		var w world
		for _, e := range entries {
			if e.Operation == ledger.Appear {
				w.company = append(w.company, e)
			} else {
				w.happened = append(w.happened, e)
			}
		}
		out = append(out, w)
	}
	return out, nil
}

// elsewhere is the other namespace of a world's pair; empty where it has entries of one.
func elsewhere(entries []ledger.Entry, own string) string {
	for _, e := range entries {
		if e.Place() != own {
			return e.Place()
		}
	}
	return ""
}

// selections are the created netpols that take part in a world: none, one for each end,
// of which one or both are in the own namespace. other is the other end's namespace;
// empty is each.
func selections(created map[string][]ledger.Entry, own, other string) [][]ledger.Entry {
	out := [][]ledger.Entry{nil}
	for i, a := range created[own] {
		out = append(out, []ledger.Entry{a})
		for _, b := range created[own][i+1:] {
			if a.Ref != b.Ref { // else they are alternatives
				out = append(out, []ledger.Entry{a, b})
			}
		}
	}
	for place, netpols := range created {
		if place == own || (other != "" && place != other) {
			continue
		}
		for _, b := range netpols {
			out = append(out, []ledger.Entry{b})
			for _, a := range created[own] {
				out = append(out, []ledger.Entry{a, b})
			}
		}
	}
	return out
}

// inOrder joins entries of two sorts: what becomes of objects first, then what is laid
// over them.
func inOrder(happened, created []ledger.Entry) []ledger.Entry {
	out := slices.Concat(created, happened)
	slices.SortStableFunc(out, func(a, b ledger.Entry) int {
		switch {
		case a.Operation == b.Operation || (a.Operation != ledger.Bind && b.Operation != ledger.Bind):
			return 0
		case a.Operation == ledger.Bind:
			return 1
		}
		return -1
	})
	return out
}
