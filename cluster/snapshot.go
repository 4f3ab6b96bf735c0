package cluster

import (
	"iter"
	"maps"
	"slices"
	"sync"
)

// Snapshot is the immutable model of one cluster at one moment. The zero value
// is the empty cluster. It is safe for concurrent use.
type Snapshot struct {
	// shards holds one shard a namespace. A change replaces the shard of its
	// namespace and shares all others.
	shards  map[string]*shard
	foreign map[Ref]*Foreign

	sortedOnce sync.Once
	sorted     []string
	keysOnce   sync.Once
	keys       []string
}

// New builds a snapshot of objects, in any order.
func New(objects ...Object) (*Snapshot, error) {
	changes := make([]Change, 0, len(objects))
	for _, o := range objects {
		changes = append(changes, Change{After: o})
	}
	return (&Snapshot{}).Apply(changes...)
}

// Apply returns the snapshot as it is after the changes, taken in order; s stays
// as it is. Creating what exists replaces it and deleting what does not exist
// does nothing, because watch events may repeat what a list has said.
func (s *Snapshot) Apply(changes ...Change) (*Snapshot, error) {
	next := &Snapshot{shards: maps.Clone(s.shards), foreign: s.foreign}
	if next.shards == nil {
		next.shards = map[string]*shard{}
	}
	fresh := map[string]*shard{} // shards that this Apply made and may still write
	for _, c := range changes {
		if err := c.validate(); err != nil {
			return nil, err
		}
		if f, ok := anyOf(c).(*Foreign); ok {
			next.applyForeign(f, c.After != nil)
			continue
		}
		name := shardOf(c)
		sh := fresh[name]
		if sh == nil {
			sh = next.shards[name].clone(name)
			fresh[name] = sh
			next.shards[name] = sh
		}
		if err := sh.apply(c); err != nil {
			return nil, err
		}
	}
	for name, sh := range fresh {
		if sh.empty() {
			delete(next.shards, name)
		}
	}
	return next, nil
}

func (s *Snapshot) applyForeign(f *Foreign, present bool) {
	s.foreign = maps.Clone(s.foreign)
	if s.foreign == nil {
		s.foreign = map[Ref]*Foreign{}
	}
	if present {
		s.foreign[f.Ref()] = f
	} else {
		delete(s.foreign, f.Ref())
	}
}

func anyOf(c Change) Object {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

func shardOf(c Change) string {
	r := c.Ref()
	if r.Namespace == "" {
		return r.Name
	}
	return r.Namespace
}

// Namespace returns a namespace by name. One that only objects name is
// returned with Implied set.
func (s *Snapshot) Namespace(name string) (*Namespace, bool) {
	sh, ok := s.shards[name]
	if !ok {
		return nil, false
	}
	return sh.namespace, true
}

// Namespaces yields every namespace, by name.
func (s *Snapshot) Namespaces() iter.Seq[*Namespace] {
	return func(yield func(*Namespace) bool) {
		for _, name := range s.names() {
			if !yield(s.shards[name].namespace) {
				return
			}
		}
	}
}

func (s *Snapshot) names() []string {
	s.sortedOnce.Do(func() { s.sorted = slices.Sorted(maps.Keys(s.shards)) })
	return s.sorted
}

// Workloads yields the workloads of a namespace, by kind and name.
func (s *Snapshot) Workloads(namespace string) iter.Seq[*Workload] {
	sh, ok := s.shards[namespace]
	if !ok {
		return func(func(*Workload) bool) {}
	}
	return slices.Values(sh.fold().sorted)
}

// AllWorkloads yields the workloads of every namespace, by namespace, kind and name.
func (s *Snapshot) AllWorkloads() iter.Seq[*Workload] {
	return func(yield func(*Workload) bool) {
		for _, name := range s.names() {
			for w := range s.Workloads(name) {
				if !yield(w) {
					return
				}
			}
		}
	}
}

// Workload returns the workload that ref names, as a peer of a connection: a
// pod that belongs to a workload is not one, see WorkloadOf.
func (s *Snapshot) Workload(ref Ref) (*Workload, bool) {
	sh, ok := s.shards[ref.Namespace]
	if !ok {
		return nil, false
	}
	w, ok := sh.fold().byRef[ref]
	return w, ok
}

// WorkloadOf returns the workload that an object counts to: of a pod the
// workload it is folded into, of a template that of its top controller.
func (s *Snapshot) WorkloadOf(object Ref) (*Workload, bool) {
	sh, ok := s.shards[object.Namespace]
	if !ok {
		return nil, false
	}
	if object.Kind == "Pod" {
		w, ok := sh.fold().byPod[object.Name]
		return w, ok
	}
	t, ok := sh.templates[Owner{object.Kind, object.Name}]
	if !ok {
		return nil, false
	}
	w, ok := sh.fold().byRef[sh.top(t)]
	return w, ok
}

// Pod returns a pod by namespace and name.
func (s *Snapshot) Pod(namespace, name string) (*Pod, bool) {
	sh, ok := s.shards[namespace]
	if !ok {
		return nil, false
	}
	p, ok := sh.pods[name]
	return p, ok
}

// Template returns the pod template of the object that ref names.
func (s *Snapshot) Template(ref Ref) (*Template, bool) {
	sh, ok := s.shards[ref.Namespace]
	if !ok {
		return nil, false
	}
	t, ok := sh.templates[Owner{ref.Kind, ref.Name}]
	return t, ok
}

// Pods reports how many pods of a namespace are in the model.
func (s *Snapshot) Pods(namespace string) int {
	sh, ok := s.shards[namespace]
	if !ok {
		return 0
	}
	return len(sh.pods)
}

// Netpols returns the netpols of a namespace, by name. The slice is shared: do
// not change it.
func (s *Snapshot) Netpols(namespace string) []*Netpol {
	sh, ok := s.shards[namespace]
	if !ok {
		return nil
	}
	return sh.order().netpols
}

// SelectorKeys are the pod label keys that a selector of some netpol mentions,
// sorted: pods of one namespace that agree on them are alike to every netpol. The
// slice is shared: do not change it.
func (s *Snapshot) SelectorKeys() []string {
	s.keysOnce.Do(func() {
		keys := map[string]bool{}
		for _, sh := range s.shards {
			maps.Copy(keys, sh.order().keys)
		}
		s.keys = slices.Sorted(maps.Keys(keys))
	})
	return s.keys
}

// Netpol returns a netpol by namespace and name.
func (s *Snapshot) Netpol(namespace, name string) (*Netpol, bool) {
	sh, ok := s.shards[namespace]
	if !ok {
		return nil, false
	}
	n, ok := sh.netpols[name]
	return n, ok
}

// Foreign yields the policy objects that the model holds but does not
// understand, in no particular order.
func (s *Snapshot) Foreign() iter.Seq[*Foreign] { return maps.Values(s.foreign) }

// Objects yields everything the model holds, in a stable order: namespaces with
// what is in them, by name.
func (s *Snapshot) Objects() iter.Seq[Object] {
	return func(yield func(Object) bool) {
		for _, name := range s.names() {
			if !s.shards[name].each(yield) {
				return
			}
		}
		for _, ref := range slices.SortedFunc(maps.Keys(s.foreign), Ref.Compare) {
			if !yield(s.foreign[ref]) {
				return
			}
		}
	}
}
