package cluster

import (
	"maps"
	"slices"
)

// Delta is what differs between two snapshots, as far as a connection can
// depend on it.
type Delta struct {
	// Everything is set when every workload may be affected: a policy API that the model
	// does not understand has come or gone.
	Everything bool
	// Namespaces hold the namespaces that changed, by name.
	Namespaces []NamespaceDelta
}

// NamespaceDelta is what changed within one namespace.
type NamespaceDelta struct {
	Name string
	// Relabelled is set when the namespace's labels changed, or it came or went:
	// every workload in it is affected.
	Relabelled bool
	// Netpols are the ones that were added, removed or replaced: both their
	// versions, in no particular order.
	Netpols []*Netpol
	// Workloads are those, of the newer snapshot, with a pod or template that
	// was added, removed or replaced, in order.
	Workloads []*Workload
}

// Since tells what differs between s and an earlier snapshot. It compares by
// identity, so its cost is that of the namespaces that changed.
func (s *Snapshot) Since(before *Snapshot) Delta {
	d := Delta{Everything: !maps.EqualFunc(s.foreign, before.foreign, func(a, b *Foreign) bool { return a == b })}
	for _, name := range s.names() {
		if now, was := s.shards[name], before.shards[name]; now != was {
			d.Namespaces = append(d.Namespaces, now.since(was))
		}
	}
	return d
}

func (s *shard) since(was *shard) NamespaceDelta {
	d := NamespaceDelta{Name: s.namespace.Name}
	if was == nil {
		was = (*shard)(nil).clone(d.Name)
		d.Relabelled = true
	}
	d.Relabelled = d.Relabelled || !maps.Equal(s.namespace.Labels, was.namespace.Labels)
	d.Netpols = append(replaced(s.netpols, was.netpols), replaced(was.netpols, s.netpols)...)

	affected := map[*Workload]bool{}
	add := func(r Ref) {
		if w, ok := s.fold().byRef[r]; ok {
			affected[w] = true
		}
	}
	for _, t := range append(replaced(s.templates, was.templates), replaced(was.templates, s.templates)...) {
		add(t.Ref())
		add(s.top(t))
		s.addPodsOf(t, affected)
	}
	for _, p := range append(replaced(s.pods, was.pods), replaced(was.pods, s.pods)...) {
		if w, ok := s.fold().byPod[p.Name]; ok {
			affected[w] = true
		}
		r, parent := s.workloadOf(p)
		add(r)
		add(parent)
	}
	d.Workloads = slices.SortedFunc(maps.Keys(affected), func(a, b *Workload) int { return a.Ref.Compare(b.Ref) })
	return d
}

// addPodsOf adds the workloads of the pods below a template: a new template can
// turn them into pods that stand alone, and back.
func (s *shard) addPodsOf(t *Template, affected map[*Workload]bool) {
	for name, p := range s.pods {
		if p.Controller == nil {
			continue
		}
		direct := Owner{t.Kind, t.Name}
		above, ok := s.templates[*p.Controller]
		if *p.Controller == direct || (ok && above.Controller != nil && *above.Controller == direct) || !ok {
			affected[s.fold().byPod[name]] = true
		}
	}
}

// replaced lists the values of a that b lacks or holds in another version.
func replaced[K comparable, V comparable](a, b map[K]V) []V {
	var out []V
	for k, v := range a {
		if w, ok := b[k]; !ok || w != v {
			out = append(out, v)
		}
	}
	return out
}
