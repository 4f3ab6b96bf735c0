package webhook

import (
	"fmt"
	"maps"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/ledger"
)

// company are pods and templates in flight, as peers beside those that there are. A peer
// adds paths and takes none away, so that all of them can be there at once, in every
// world; and as none has an owner, none stands up for another: what a change opens for
// one of them is not excused by the others. Alternatives of one pod stand side by side.
type company []ledger.Entry

// join adds the company to a cluster.
func (j *Judge) join(s *cluster.Snapshot, c company) (*cluster.Snapshot, error) {
	var changes []cluster.Change
	for i, e := range c {
		objects, err := j.peersOf(s, c, e)
		if err != nil {
			return nil, err
		}
		for k, o := range objects {
			changes = append(changes, cluster.Change{After: apart(s, o, fmt.Sprintf(" (in flight, %d.%d)", i, k))})
		}
	}
	if len(changes) == 0 {
		return s, nil
	}
	return s.Apply(changes...)
}

// peersOf are what an entry may make of its object; of a Binding, every version of
// the pod with its labels.
func (j *Judge) peersOf(s *cluster.Snapshot, c company, e ledger.Entry) ([]cluster.Object, error) {
	if e.Operation != ledger.Bind {
		o, err := j.objectOf(e)
		return []cluster.Object{o}, err
	}
	var versions []cluster.Object
	if now := current(s, e.Ref); now != nil {
		versions = append(versions, now)
	}
	for _, other := range c {
		if other.Ref == e.Ref && other.Operation != ledger.Bind {
			o, err := j.objectOf(other)
			if err != nil {
				return nil, err
			}
			versions = append(versions, o)
		}
	}
	for i, o := range versions {
		p, ok := o.(*cluster.Pod)
		if !ok {
			continue
		}
		var err error
		if versions[i], err = bound(p, e); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

// apart is an object as a peer of its own, under a name that nothing has.
func apart(s *cluster.Snapshot, o cluster.Object, suffix string) cluster.Object {
	switch o := o.(type) {
	case *cluster.Pod:
		p := *o
		p.Name, p.UID, p.Owners = p.Name+suffix, "", nil
		return &p
	case *cluster.Template:
		t := *o
		t.UID, t.Owners = "", nil
		if _, taken := s.Template(t.Ref()); taken { // else it keeps the name, by which a StatefulSet labels its pods
			t.Name += suffix
		}
		return &t
	}
	return o
}

// joins reports whether an entry is one of the company: not what a netpol or a Namespace
// is, which can shut paths, and not what may stand up for the change's own pods.
func joins(e, own ledger.Entry, change cluster.Change) bool {
	switch e.Ref.Kind {
	case "NetworkPolicy", "Namespace":
		return false
	case "Pod":
		return !e.Opaque && !deletesEntry(e)
	}
	if e.Opaque || deletesEntry(e) {
		return false
	}
	return e.Operation == ledger.Create && !mayLend(e, own, change) || e.Operation == ledger.Appear ||
		e.Operation == ledger.Update && e.Ref.Kind != "StatefulSet" && !mayLend(e, own, change)
}

// mayLend reports whether a template may be what the object of a change belongs to.
func mayLend(e, own ledger.Entry, change cluster.Change) bool {
	return e.Place() == own.Place() && len(ownersOf(change.After)) > 0
}

// likeIt is how many of a company make the same peers as an entry.
func (j *Judge) likeIt(c company, e ledger.Entry) int {
	n := 0
	for _, o := range c {
		if j.alike(o, e) {
			n++
		}
	}
	return n
}

// alike reports whether two entries of a company make the same peers.
func (j *Judge) alike(a, b ledger.Entry) bool {
	if a.Operation != ledger.Create || b.Operation != ledger.Create || a.Ref.Kind != "Pod" || b.Ref.Kind != "Pod" || a.Place() != b.Place() {
		return false
	}
	x, errX := j.objectOf(a)
	y, errY := j.objectOf(b)
	p, okP := x.(*cluster.Pod)
	q, okQ := y.(*cluster.Pod)
	return errX == nil && errY == nil && okP && okQ && maps.Equal(p.Labels, q.Labels) &&
		p.HostNetwork == q.HostNetwork && fmt.Sprint(p.Ports) == fmt.Sprint(q.Ports) && p.Bound == q.Bound
}
