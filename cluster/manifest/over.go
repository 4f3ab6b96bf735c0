package manifest

import (
	"maps"

	"github.com/podcullis/podcullis/cluster"
)

// NewSet is a set of objects that come from no file, such as those of a running
// cluster. Of two with one identity the last counts.
func NewSet(objects ...Object) *Set {
	s := &Set{Skipped: map[string]int{}, index: map[cluster.Ref]int{}}
	for _, o := range objects {
		if i, ok := s.index[o.Ref()]; ok {
			s.Objects[i] = o
			continue
		}
		s.add(o)
	}
	return s
}

// Over is what there is once the objects of s are applied onto base and
// controllers have done their work: they replace those of the same identity, and
// of a workload whose template changes the pods of base make way for its new
// ones. Nothing else of base goes. Both sets stay as they are.
func (s *Set) Over(base *Set) *Set {
	gone := map[cluster.Ref]bool{} // whose pods and inner controllers go
	out := &Set{Skipped: maps.Clone(s.Skipped), Unread: s.Unread, Notes: s.Notes, index: map[cluster.Ref]int{}}
	for i := range s.Objects {
		o := s.Objects[i]
		if old, ok := base.Lookup(o.Ref()); ok {
			if (cluster.Change{Before: old.Model, After: o.Model}).Idle() {
				o.Model = old.Model // a running pod has its addresses
			} else if _, ok := o.Model.(*cluster.Template); ok {
				gone[o.Ref()] = true
			}
		}
		out.add(o)
	}
	// A CronJob is two controllers away from its pods, and the order of objects is any.
	for range 2 {
		for i := range base.Objects {
			o := &base.Objects[i]
			if owner, ok := controllerOf(o.Model); ok && gone[owner] {
				gone[o.Ref()] = true
			}
		}
	}
	for _, o := range base.Objects {
		owner, owned := controllerOf(o.Model)
		if _, replaced := s.Lookup(o.Ref()); !replaced && (!owned || !gone[owner]) {
			out.add(o)
		}
	}
	return out
}

// controllerOf names the object that controls a pod or a template.
func controllerOf(o cluster.Object) (cluster.Ref, bool) {
	var owners []cluster.Owner
	switch o := o.(type) {
	case *cluster.Pod:
		owners = o.Owners
	case *cluster.Template:
		owners = o.Owners
	}
	owner := cluster.ControllerOf(owners)
	if owner == nil {
		return cluster.Ref{}, false
	}
	return cluster.Ref{Namespace: o.Ref().Namespace, Kind: cluster.KindIn(owner.Group, owner.Kind), Name: owner.Name}, true
}
