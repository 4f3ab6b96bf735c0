package cluster

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/labels"
)

// folded is the workloads of a shard, and what finds them. It does not change.
type folded struct {
	sorted []*Workload
	byRef  map[Ref]*Workload
	byPod  map[string]*Workload
	// strays are the pods that were relabelled away from their controller.
	strays []*Workload

	// variants are those of all workloads, in order; at is where each one stands
	// and labels finds them.
	variants []*Variant
	at       map[*Variant]int
	labels   *index

	placed sync.Once
	places places
	alike  atomic.Pointer[alike]
}

// folding is the workloads of a shard, folded when first asked for and shared
// by all shards with the same pods and templates.
type folding struct {
	once   sync.Once
	result atomic.Pointer[folded]
	start  atomic.Pointer[start] // nil: from nothing
}

// start is an earlier folding and the pods that changed since: what they do not
// touch is taken from there.
type start struct {
	base *folded
	pods []string
}

// touch is the folding after a pod came, went or changed.
func (f *folding) touch(pod string) *folding {
	const few = 32 // beyond that it is as well to start anew
	next, from := &folding{}, f.start.Load()
	if r := f.result.Load(); r != nil {
		next.start.Store(&start{r, []string{pod}})
	} else if from != nil && len(from.pods) < few {
		next.start.Store(&start{from.base, append(slices.Clip(from.pods), pod)})
	}
	return next
}

// fold groups the shard's pods and templates into workloads, once.
func (s *shard) fold() *folded {
	f := s.folding
	f.once.Do(func() {
		if from := f.start.Load(); from != nil {
			f.result.Store(s.refold(from.base, from.pods))
			f.start.Store(nil)
		} else {
			f.result.Store(s.foldAll())
		}
	})
	return f.result.Load()
}

func (s *shard) newFolder() *folder {
	return &folder{shard: s, byRef: map[Ref]*Workload{}, byPod: map[string]*Workload{}, variants: map[string]*Variant{}}
}

func (s *shard) foldAll() *folded {
	f := s.newFolder()
	for _, t := range s.sortedTemplates() {
		if s.speaks(t) {
			f.addTemplate(t)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		f.addPod(s.pods[name])
	}
	return newFolded(f.byRef, f.byPod)
}

func (s *shard) sortedTemplates() []*Template {
	var out []*Template
	for _, key := range slices.SortedFunc(maps.Keys(s.templates), compareOwners) {
		out = append(out, s.templates[key])
	}
	return out
}

// speaks reports whether a template makes a workload of its own. One that the
// model knows the controller of (a ReplicaSet of a Deployment) speaks through
// its pods only, and so does a revision or a Job that is over.
func (s *shard) speaks(t *Template) bool {
	top := s.top(t)
	_, modelled := s.templates[Owner{top.Kind, top.Name}]
	switch {
	case top != t.Ref() && modelled:
		return false
	case t.Idle && (t.Kind == "Job" || t.Controller != nil):
		return false
	}
	return true
}

// refold folds those workloads again that the pods were part of or are part of
// now. Templates are as they were, so every other pod is where it was.
func (s *shard) refold(base *folded, pods []string) *folded {
	members := map[Ref][]string{} // of the workloads to fold
	for _, name := range pods {
		if w, ok := base.byPod[name]; ok && members[w.Ref] == nil {
			members[w.Ref] = []string{}
		}
		if p, ok := s.pods[name]; ok {
			ref, _ := s.workloadOf(p)
			members[ref] = append(members[ref], name)
		}
	}
	f := s.newFolder()
	for _, t := range s.sortedTemplates() {
		if _, ok := members[s.top(t)]; ok && s.speaks(t) {
			f.addTemplate(t)
		}
	}
	for ref, names := range members {
		if w, ok := base.byRef[ref]; ok {
			for _, v := range w.Variants {
				names = append(names, slices.DeleteFunc(slices.Clone(v.Pods), func(name string) bool { return slices.Contains(pods, name) })...)
			}
		}
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			f.addPod(s.pods[name])
		}
	}
	return base.with(members, pods, f)
}

// with is what f folded again in place of what was.
func (b *folded) with(again map[Ref][]string, pods []string, f *folder) *folded {
	byRef, byPod := maps.Clone(b.byRef), maps.Clone(b.byPod)
	for _, name := range pods {
		delete(byPod, name)
	}
	for ref := range again {
		w, ok := f.byRef[ref]
		switch old := byRef[ref]; {
		case !ok:
			delete(byRef, ref)
			continue
		case old != nil && old.equal(w):
			w = old // as it was, so that whoever compares sees no change
		}
		byRef[ref] = w
		for _, v := range w.Variants {
			for _, name := range v.Pods {
				byPod[name] = w
			}
		}
	}
	return newFolded(byRef, byPod)
}

func newFolded(byRef map[Ref]*Workload, byPod map[string]*Workload) *folded {
	f := &folded{
		sorted: slices.SortedFunc(maps.Values(byRef), func(a, b *Workload) int { return a.Ref.Compare(b.Ref) }),
		byRef:  byRef, byPod: byPod,
	}
	n := 0
	for _, w := range f.sorted {
		n += len(w.Variants)
	}
	f.variants, f.at = make([]*Variant, 0, n), make(map[*Variant]int, n)
	sets := make([]labels.Set, 0, n)
	for _, w := range f.sorted {
		if w.Parent != (Ref{}) {
			f.strays = append(f.strays, w)
		}
		for _, v := range w.Variants {
			f.at[v] = len(f.variants)
			f.variants, sets = append(f.variants, v), append(sets, v.Labels)
		}
	}
	f.labels = newIndex(sets)
	return f
}
