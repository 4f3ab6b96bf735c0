package cluster

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bits-and-blooms/bitset"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster/selector"
)

// folded is the workloads of a shard, and what finds them. It does not change.
type folded struct {
	sorted []*Workload
	// variants are those of all workloads, in order; those of sorted[i] begin at
	// first[i], and labels finds them.
	variants []*Variant
	first    []int
	labels   *selector.Index
	// made are the variants whose pods are yet to get labels.
	made *bitset.BitSet
	// unread are those of which no label is known; nil for none.
	unread *bitset.BitSet
	// byName finds them by the names of their controllers: key -> *namedPods
	byName sync.Map
	// strays are the pods that were relabelled away from their controller.
	strays []*Workload

	placed sync.Once
	places places
}

// workload is the one that ref names.
func (f *folded) workload(ref Ref) (*Workload, bool) {
	i, ok := f.find(ref)
	if !ok {
		return nil, false
	}
	return f.sorted[i], true
}

func (f *folded) find(ref Ref) (int, bool) {
	return slices.BinarySearchFunc(f.sorted, ref, func(w *Workload, ref Ref) int { return w.Ref.Compare(ref) })
}

// position is where a variant stands among all variants.
func (f *folded) position(v *Variant) (int, bool) {
	i, ok := f.find(v.Workload.Ref)
	if !ok || f.sorted[i] != v.Workload {
		return 0, false
	}
	j := slices.Index(f.sorted[i].Variants, v.self())
	return f.first[i] + j, j >= 0
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
	pods []touched
}

// touched is a pod that came, went or changed, and the workload that it was part of.
type touched struct {
	name string
	was  Ref
}

// touch is the folding after a pod came, went or changed.
func (f *folding) touch(pod touched) *folding {
	const few = 32 // beyond that it is as well to start anew
	next, from := &folding{}, f.start.Load()
	if r := f.result.Load(); r != nil {
		next.start.Store(&start{r, []touched{pod}})
	} else if from != nil && len(from.pods) < few {
		next.start.Store(&start{from.base, append(slices.Clip(from.pods), pod)})
	}
	return next
}

// fold groups the shard's pods and templates into workloads, once.
func (s *shard) fold() *folded {
	f := s.folding
	f.once.Do(func() {
		from := f.start.Load()
		if from == nil {
			f.result.Store(s.foldAll())
			return
		}
		f.result.Store(s.refold(from.base, from.pods))
		f.start.Store(nil)
	})
	return f.result.Load()
}

func (s *shard) newFolder() *folder {
	return &folder{shard: s, byRef: map[Ref]*Workload{}, variants: map[string]*Variant{}}
}

func (s *shard) foldAll() *folded {
	f := s.newFolder()
	for _, t := range s.speaking(nil) {
		f.addTemplate(t)
	}
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		f.addPod(s.pods[name], s.belongingOf(s.pods[name]))
	}
	return newFolded(f.sorted())
}

func (f *folder) sorted() []*Workload {
	return slices.SortedFunc(maps.Values(f.byRef), func(a, b *Workload) int { return a.Ref.Compare(b.Ref) })
}

// speaking are the templates that make the workloads in question, in a stable
// order; nil asks for all.
func (s *shard) speaking(wanted map[Ref][]string) []*Template {
	var out []*Template
	for key, t := range s.templates {
		if wanted != nil && !mayMake(t, key, wanted) {
			continue
		}
		if _, ok := wanted[s.top(t)]; (ok || wanted == nil) && s.speaks(t) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b *Template) int { return a.Ref().Compare(b.Ref()) })
	return out
}

// mayMake is false for a template that is neither one of the workloads nor made by
// one: most are, and that is sooner found out than the top of each.
func mayMake(t *Template, key templateKey, workloads map[Ref][]string) bool {
	for ref := range workloads {
		if (key.name == ref.Name && key.kind == ref.Kind) || slices.ContainsFunc(t.Owners, func(o Owner) bool { return o.Name == ref.Name }) {
			return true
		}
	}
	return false
}

// speaks reports whether a template has to be looked at by itself: each has, whether
// it makes pods now or not, but a ReplicaSet or Job that says what its owner says.
func (s *shard) speaks(t *Template) bool {
	above, _ := s.ownerOfTemplate(t)
	return above == nil || !t.copyOf(above)
}

// refold folds those workloads again that the pods were part of or are part of
// now. Templates are as they were, so every other pod is where it was.
func (s *shard) refold(base *folded, pods []touched) *folded {
	if len(pods) == 1 {
		if out, ok := s.refoldOne(base, pods[0]); ok {
			return out
		}
	}
	members := map[Ref][]string{} // of the workloads to fold
	again := func(ref Ref) {
		if _, ok := members[ref]; ok {
			return
		}
		members[ref] = nil
		if w, ok := base.workload(ref); ok {
			for _, v := range w.Variants {
				members[ref] = append(members[ref], v.Pods...)
			}
		}
	}
	for _, pod := range pods {
		if pod.was != (Ref{}) {
			again(pod.was)
		}
		if p, ok := s.pods[pod.name]; ok {
			ref := s.belongingOf(p).workload
			again(ref)
			members[ref] = append(members[ref], pod.name)
		}
	}
	f := s.newFolder()
	for _, t := range s.speaking(members) {
		f.addTemplate(t)
	}
	for ref, names := range members {
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if p, ok := s.pods[name]; ok {
				if b := s.belongingOf(p); b.workload == ref {
					f.addPod(p, b)
				}
			}
		}
	}
	return base.with(members, f.sorted())
}

// with is f with some of its workloads folded again.
func (f *folded) with(again map[Ref][]string, fresh []*Workload) *folded {
	sorted := make([]*Workload, 0, len(f.sorted)+len(fresh))
	for _, w := range f.sorted {
		for len(fresh) > 0 && fresh[0].Ref.Compare(w.Ref) < 0 {
			sorted, fresh = append(sorted, fresh[0]), fresh[1:]
		}
		_, touched := again[w.Ref]
		switch {
		case !touched:
			sorted = append(sorted, w)
		case len(fresh) > 0 && fresh[0].Ref == w.Ref:
			if !w.equal(fresh[0]) { // else it is as it was, and whoever compares sees no change
				w = fresh[0]
			}
			sorted, fresh = append(sorted, w), fresh[1:]
		}
	}
	return newFolded(append(sorted, fresh...))
}

func newFolded(sorted []*Workload) *folded {
	f := &folded{sorted: sorted, first: make([]int, len(sorted))}
	n := 0
	for i, w := range sorted {
		f.first[i] = n
		n += len(w.Variants)
	}
	f.variants = make([]*Variant, 0, n)
	for _, w := range sorted {
		if w.Parent != (Ref{}) {
			f.strays = append(f.strays, w)
		}
		f.variants = append(f.variants, w.Variants...)
	}
	f.labels = selector.NewIndex(n, func(i int) labels.Set { return f.variants[i].Labels })
	f.made = bitset.New(uint(n))
	for i, v := range f.variants {
		f.made.SetTo(uint(i), v.maker != nil)
		if v.Unread()&UnreadLabels != 0 {
			if f.unread == nil {
				f.unread = bitset.New(uint(n))
			}
			f.unread.Set(uint(i))
		}
	}
	return f
}
