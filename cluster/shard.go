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
	templates map[Owner]*Template
	netpols   map[string]*Netpol

	folded  *folding
	ordered *ordering

	ownsPods, ownsTemplates, ownsNetpols bool
}

// ordering is the netpols of a shard by name.
type ordering struct {
	once    sync.Once
	netpols []*Netpol
	// keys are the pod labels that a selector of the netpols mentions.
	keys map[string]bool
}

func (s *shard) clone(name string) *shard {
	if s == nil {
		return &shard{namespace: impliedNamespace(name), folded: &folding{}, ordered: &ordering{}}
	}
	return &shard{
		namespace: s.namespace,
		pods:      s.pods,
		templates: s.templates,
		netpols:   s.netpols,
		folded:    s.folded,
		ordered:   s.ordered,
	}
}

func (s *shard) empty() bool {
	return s.namespace.Implied && len(s.pods) == 0 && len(s.templates) == 0 && len(s.netpols) == 0
}

func (s *shard) apply(c Change) error {
	switch o := anyOf(c).(type) {
	case *Namespace:
		s.namespace = o
		if c.After == nil {
			s.namespace = impliedNamespace(o.Name)
		}
	case *Pod:
		s.folded = &folding{}
		write(&s.pods, &s.ownsPods, o.Name, o, c.After != nil && !o.Gone)
	case *Template:
		s.folded = &folding{}
		write(&s.templates, &s.ownsTemplates, Owner{o.Kind, o.Name}, o, c.After != nil)
	case *Netpol:
		s.ordered = &ordering{}
		write(&s.netpols, &s.ownsNetpols, o.Name, o, c.After != nil)
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

func (s *shard) order() *ordering {
	s.ordered.once.Do(func() {
		s.ordered.netpols = slices.SortedFunc(maps.Values(s.netpols), func(a, b *Netpol) int { return cmp.Compare(a.Name, b.Name) })
		s.ordered.keys = map[string]bool{}
		for _, n := range s.ordered.netpols {
			n.addKeys(s.ordered.keys)
		}
	})
	return s.ordered
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
