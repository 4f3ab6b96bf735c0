package webhook

import (
	"fmt"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/ledger"
)

// part is what of the netpols that are being created is there, in one direction.
type part uint8

const (
	absent part = iota
	// isolating is that they isolate, and let nobody through.
	isolating
	whole
)

// shape says which parts of them are there: in the namespace of the change, by
// direction, and in every other.
type shape struct {
	own   [2]part // indexed by cluster.Direction
	other part
}

// The side of an end of a path depends on the netpols of its namespace, in one direction.
// For the end that the change does not touch, the most that the netpols let through is
// with all of them, or with none, where none lets the peer in and nothing else isolates.
// The end that it touches was shut before: with none of them, or because one isolates
// that does not let the peer through, which is no more than all of them isolating.
var (
	// besideANetpol are the shapes in which a change of a netpol is judged, which touches
	// either side of paths of its namespace.
	besideANetpol = []shape{
		{},
		{own: [2]part{isolating, isolating}},
		{own: [2]part{isolating, absent}},
		{own: [2]part{absent, isolating}},
		{own: [2]part{isolating, whole}},
		{own: [2]part{whole, isolating}},
		{own: [2]part{absent, whole}},
		{own: [2]part{whole, absent}},
		{other: whole},
		{own: [2]part{isolating, isolating}, other: whole},
	}
	// besideANewPeer are those for a peer that was not there before, so that no path of it
	// was open.
	besideANewPeer = []shape{
		{},
		{own: [2]part{whole, absent}},
		{own: [2]part{absent, whole}},
		{own: [2]part{whole, whole}},
		{other: whole},
		{own: [2]part{whole, absent}, other: whole},
		{own: [2]part{absent, whole}, other: whole},
		{own: [2]part{whole, whole}, other: whole},
	}
)

// shapesFor are those for a change, of the created netpols in its own namespace and
// elsewhere. It is false for a change of labels: what is open with the new ones and shut
// with the old ones shows with single netpols only.
func shapesFor(c considered, own, other bool) ([]shape, bool) {
	var all []shape
	switch {
	case c.own.Ref.Kind == "NetworkPolicy":
		all = besideANetpol
	case c.change.Before == nil && c.own.Operation == ledger.Create:
		all = besideANewPeer
	default:
		return nil, false
	}
	var out []shape
	for _, s := range all {
		if (own || s.own == [2]part{}) && (other || s.other == absent) {
			out = append(out, s)
		}
	}
	return out, true
}

// formed adds the netpols of a shape to a cluster.
func (j *Judge) formed(s *cluster.Snapshot, created []ledger.Entry, sh shape, own string) (*cluster.Snapshot, error) {
	var changes []cluster.Change
	for i, e := range created {
		parts := [2]part{sh.other, sh.other}
		if e.Place() == own {
			parts = sh.own
		}
		if parts == [2]part{} {
			continue
		}
		n := anything(e.Ref)
		if !e.Opaque {
			o, err := j.objectOf(e)
			if err != nil {
				return nil, err
			}
			known, ok := o.(*cluster.Netpol)
			if !ok {
				continue
			}
			n = known
		}
		changes = append(changes, cluster.Change{After: partly(n, parts, i)})
	}
	if len(changes) == 0 {
		return s, nil
	}
	return s.Apply(changes...)
}

// partly is a netpol of which only parts are there, under a name of its own: two that are
// created with one name are alternatives, and stand side by side here.
func partly(n *cluster.Netpol, parts [2]part, i int) *cluster.Netpol {
	p := *n
	p.Name = fmt.Sprintf("%s (in flight, %d)", n.Name, i)
	for d, has := range parts {
		switch has {
		case absent:
			p.Isolates[d], p.Rules[d] = false, nil
		case isolating:
			p.Rules[d] = nil
		}
	}
	return &p
}
