package cluster

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// Snapshot is the immutable model of one cluster at one moment. The zero value
// is the empty cluster. It is safe for concurrent use.
type Snapshot struct {
	// shards holds one shard a namespace, sorted by name. A change replaces the
	// shard of its namespace and shares all others.
	shards  []*shard
	foreign map[Ref]*Foreign
	// labels finds namespaces by their labels; shared until a namespace comes,
	// goes or is relabelled.
	labels *namespaceIndex
	// mentions are the pod label keys that netpols mention of other namespaces' pods;
	// those of its own are in each shard.
	mentions *mentions
	memory   *Memory
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
// as it is, and what the changes do not touch is shared by both. Creating what
// exists replaces it and deleting what does not exist does nothing, because
// watch events may repeat what a list has said.
func (s *Snapshot) Apply(changes ...Change) (*Snapshot, error) {
	a := applying{next: &Snapshot{shards: slices.Clone(s.shards), foreign: s.foreign, labels: s.labels, mentions: s.mentions, memory: s.memory}, fresh: map[string]*shard{}}
	for _, c := range changes {
		if err := c.validate(); err != nil {
			return nil, err
		}
		if f, ok := anyOf(c).(*Foreign); ok {
			a.next.applyForeign(f, c.After != nil)
			continue
		}
		sh := a.shard(shardOf(c))
		if n, ok := anyOf(c).(*Netpol); ok {
			_, was := sh.netpols[n.Name].mentions()
			_, now := netpolAfter(c).mentions()
			a.next.mentions = a.next.mentions.replace(was, now)
		}
		if err := sh.apply(c); err != nil {
			return nil, err
		}
	}
	a.finish(s)
	return a.next, nil
}

// applying is an Apply at work.
type applying struct {
	next  *Snapshot
	fresh map[string]*shard // those that this Apply made and may still write
}

// shard is the one to write of a namespace.
func (a *applying) shard(name string) *shard {
	if sh := a.fresh[name]; sh != nil {
		return sh
	}
	i, found := a.next.find(name)
	var sh *shard
	if found {
		sh = a.next.shards[i].clone()
		a.next.shards[i] = sh
	} else {
		sh = newShard(name)
		a.next.shards = slices.Insert(a.next.shards, i, sh)
	}
	a.fresh[name] = sh
	return sh
}

// finish drops the shards that hold nothing any more, and what was derived from
// the shards as they were before.
func (a *applying) finish(before *Snapshot) {
	empty := false
	for name, sh := range a.fresh {
		sh.from = nil
		was := before.shard(name)
		empty = empty || sh.empty()
		if was == nil || sh.empty() || !was.namespace.sameLabels(sh.namespace) {
			a.next.labels = &namespaceIndex{}
		}
	}
	if empty {
		a.next.shards = slices.DeleteFunc(a.next.shards, (*shard).empty)
	}
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

func netpolAfter(c Change) *Netpol {
	n, _ := c.After.(*Netpol)
	return n
}

func shardOf(c Change) string {
	r := c.Ref()
	if r.Namespace == "" {
		return r.Name
	}
	return r.Namespace
}

func (s *Snapshot) find(name string) (int, bool) {
	return slices.BinarySearchFunc(s.shards, name, func(sh *shard, name string) int { return cmp.Compare(sh.namespace.Name, name) })
}

// shard is that of a namespace, nil when there is none.
func (s *Snapshot) shard(name string) *shard {
	if i, ok := s.find(name); ok {
		return s.shards[i]
	}
	return nil
}

// Namespace returns a namespace by name. One that only objects name is
// returned with Implied set.
func (s *Snapshot) Namespace(name string) (*Namespace, bool) {
	sh := s.shard(name)
	if sh == nil {
		return nil, false
	}
	return sh.namespace, true
}

// Namespaces yields every namespace, by name.
func (s *Snapshot) Namespaces() iter.Seq[*Namespace] {
	return func(yield func(*Namespace) bool) {
		for _, sh := range s.shards {
			if !yield(sh.namespace) {
				return
			}
		}
	}
}

// Workloads yields the workloads of a namespace, by kind and name.
func (s *Snapshot) Workloads(namespace string) iter.Seq[*Workload] {
	sh := s.shard(namespace)
	if sh == nil {
		return func(func(*Workload) bool) {}
	}
	return slices.Values(sh.fold().sorted)
}

// AllWorkloads yields the workloads of every namespace, by namespace, kind and name.
func (s *Snapshot) AllWorkloads() iter.Seq[*Workload] {
	return func(yield func(*Workload) bool) {
		for _, sh := range s.shards {
			for _, w := range sh.fold().sorted {
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
	sh := s.shard(ref.Namespace)
	if sh == nil {
		return nil, false
	}
	return sh.fold().workload(ref)
}

// WorkloadOf returns the workload that an object counts to: of a pod the
// workload it is folded into, of a template that of its top controller.
func (s *Snapshot) WorkloadOf(object Ref) (*Workload, bool) {
	sh := s.shard(object.Namespace)
	if sh == nil {
		return nil, false
	}
	if object.Kind == "Pod" {
		p, ok := sh.pods[object.Name]
		if !ok {
			return nil, false
		}
		return sh.fold().workload(sh.belongingOf(p).workload)
	}
	t, ok := sh.templates[templateKey{object.Kind, object.Name}]
	if !ok {
		return nil, false
	}
	return sh.fold().workload(sh.top(t))
}

// Pod returns a pod by namespace and name.
func (s *Snapshot) Pod(namespace, name string) (*Pod, bool) {
	sh := s.shard(namespace)
	if sh == nil {
		return nil, false
	}
	p, ok := sh.pods[name]
	return p, ok
}

// Template returns the pod template of the object that ref names.
func (s *Snapshot) Template(ref Ref) (*Template, bool) {
	sh := s.shard(ref.Namespace)
	if sh == nil {
		return nil, false
	}
	t, ok := sh.templates[templateKey{ref.Kind, ref.Name}]
	return t, ok
}

// Pods reports how many pods of a namespace are in the model.
func (s *Snapshot) Pods(namespace string) int {
	sh := s.shard(namespace)
	if sh == nil {
		return 0
	}
	return len(sh.pods)
}

// Netpols returns the netpols of a namespace, by name. The slice is shared: do
// not change it.
func (s *Snapshot) Netpols(namespace string) []*Netpol {
	sh := s.shard(namespace)
	if sh == nil {
		return nil
	}
	return sh.order()
}

// AllNetpols yields the netpols of every namespace.
func (s *Snapshot) AllNetpols() iter.Seq[*Netpol] {
	return func(yield func(*Netpol) bool) {
		for _, sh := range s.shards {
			for _, n := range sh.order() {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// Netpol returns a netpol by namespace and name.
func (s *Snapshot) Netpol(namespace, name string) (*Netpol, bool) {
	sh := s.shard(namespace)
	if sh == nil {
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
		for _, sh := range s.shards {
			if !sh.each(yield) {
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
