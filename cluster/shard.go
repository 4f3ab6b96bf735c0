package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// shard is what one namespace holds. It is written only by the Apply that made
// it, and every map is copied before its first write; what is derived from the
// maps is computed once and shared with every shard that has the same ones.
type shard struct {
	namespace *Namespace
	pods      map[string]*Pod
	templates map[templateKey]*Template
	netpols   map[string]*Netpol
	entries   map[templateKey]Entry
	mentions  *mentions // what the netpols mention of its own pods

	folding    *folding
	ordering   *ordering
	guarding   *guarding
	templating *templating
	entering   *entering
	// documenting is that of this shard alone: nobody asks before the Apply that made it ends.
	documenting *documenting

	ownsPods, ownsTemplates, ownsNetpols, ownsEntries bool
	// from is the shard that this one is a clone of, until the Apply that made it ends.
	from *shard
}

// ordering is the netpols of a shard by name.
type ordering struct {
	once    sync.Once
	netpols []*Netpol
}

// templating is the same for as long as the templates of a shard are.
type templating struct{ _ byte }

func newShard(name string) *shard {
	return &shard{namespace: impliedNamespace(name), folding: &folding{}, ordering: &ordering{}, guarding: &guarding{}, entering: &entering{}, templating: &templating{}, documenting: &documenting{}}
}

// clone shares everything with s but its documents, and owns nothing of it yet.
func (s *shard) clone() *shard {
	c := *s
	c.ownsPods, c.ownsTemplates, c.ownsNetpols, c.ownsEntries = false, false, false, false
	c.from, c.documenting = s, &documenting{}
	return &c
}

func (s *shard) empty() bool {
	return s.namespace.Implied && len(s.pods) == 0 && len(s.templates) == 0 && len(s.netpols) == 0 && len(s.entries) == 0
}

func (s *shard) apply(c Change) error {
	switch o := anyOf(c).(type) {
	case *Namespace:
		was := s.namespace
		s.namespace = o
		if c.After == nil {
			s.namespace = was.leave()
		}
	case *Pod:
		pod := touched{name: o.Name}
		if was, ok := s.pods[o.Name]; ok {
			pod.was = s.belongingOf(was).workload
		}
		write(&s.pods, &s.ownsPods, o.Name, o, c.After != nil && !o.Gone)
		s.folding, s.guarding = s.folding.touch(pod), s.guarding.touch(s.from)
	case *Template:
		write(&s.templates, &s.ownsTemplates, o.key(), o, c.After != nil)
		s.folding, s.guarding, s.templating = &folding{}, &guarding{}, &templating{}
	case *Netpol:
		was, _ := s.netpols[o.Name].mentions()
		now, _ := netpolAfter(c).mentions()
		s.mentions = s.mentions.replace(was, now)
		write(&s.netpols, &s.ownsNetpols, o.Name, o, c.After != nil)
		s.ordering, s.guarding = &ordering{}, &guarding{}
	case Entry:
		write(&s.entries, &s.ownsEntries, o.entry(), o, c.After != nil)
		s.entering = &entering{}
	default:
		return fmt.Errorf("the model has no place for %T", o)
	}
	return nil
}

func write[K comparable, V any](m *map[K]V, owned *bool, k K, v V, present bool) {
	if !*owned {
		*m = maps.Clone(*m)
		*owned = true
	}
	if *m == nil {
		*m = map[K]V{}
	}
	if present {
		(*m)[k] = v
	} else {
		delete(*m, k)
	}
}

func (s *shard) order() []*Netpol {
	s.ordering.once.Do(func() {
		s.ordering.netpols = slices.SortedFunc(maps.Values(s.netpols), func(a, b *Netpol) int { return cmp.Compare(a.Name, b.Name) })
	})
	return s.ordering.netpols
}

func (s *shard) each(yield func(Object) bool) bool {
	if !s.namespace.Implied && !yield(s.namespace) {
		return false
	}
	byRef := func(a, b Object) int { return a.Ref().Compare(b.Ref()) }
	var objects []Object
	for _, n := range s.netpols {
		objects = append(objects, n)
	}
	for _, e := range s.entries {
		objects = append(objects, e)
	}
	for _, t := range s.templates {
		objects = append(objects, t)
	}
	for _, p := range s.pods {
		objects = append(objects, p)
	}
	slices.SortFunc(objects, byRef)
	for _, o := range objects {
		if !yield(o) {
			return false
		}
	}
	return true
}
