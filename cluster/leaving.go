package cluster

import (
	"maps"
	"slices"
)

// Leaving are the pods and templates of a namespace that are about to go: those
// that are being deleted, and those that a controller, being deleted or gone,
// has left to the garbage collector. Until they are gone they count like any
// other: a pod that terminates still sends and receives.
func (s *Snapshot) Leaving(namespace string) []Object {
	sh := s.shard(namespace)
	if sh == nil {
		return nil
	}
	var out []Object
	for _, t := range sh.templates {
		if !t.DeletedAt.IsZero() || sh.abandoned(t.Owners) {
			out = append(out, t)
		}
	}
	for _, p := range sh.pods {
		if !p.DeletedAt.IsZero() || sh.abandoned(p.Owners) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Object) int { return a.Ref().Compare(b.Ref()) })
	return out
}

// LeavingAnywhere are those of every namespace.
func (s *Snapshot) LeavingAnywhere() []Object {
	var out []Object
	for _, sh := range s.shards {
		out = append(out, s.Leaving(sh.namespace.Name)...)
	}
	return out
}

// abandoned tells whether the garbage collector deletes what this controller
// made: the controller is not there any more, or it is being deleted and takes
// what it made with it. A controller of a kind that is not in the model may be
// there, for all we know.
func (s *shard) abandoned(owners []Owner) bool {
	const deepest = 4 // CronJob, Job, Pod; more only when owners go in a circle
	for range deepest {
		controller := ControllerOf(owners)
		if controller == nil || !isBuiltin(controller.Group, controller.Kind) {
			return false
		}
		t := s.named(controller)
		switch {
		case t == nil:
			return true
		case t.Orphans:
			return false
		case !t.DeletedAt.IsZero():
			return true
		}
		owners = t.Owners
	}
	return false
}

// PodsLeft are the pods of a namespace, by name: what its end waits for.
func (s *Snapshot) PodsLeft(namespace string) []Object {
	sh := s.shard(namespace)
	if sh == nil {
		return nil
	}
	out := make([]Object, 0, len(sh.pods))
	for _, name := range slices.Sorted(maps.Keys(sh.pods)) {
		out = append(out, sh.pods[name])
	}
	return out
}

// Without is the snapshot as it is when the objects are gone.
func (s *Snapshot) Without(objects ...Object) (*Snapshot, error) {
	changes := make([]Change, 0, len(objects))
	for _, o := range objects {
		changes = append(changes, Change{Before: o})
	}
	return s.Apply(changes...)
}
