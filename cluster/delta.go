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
	// Templates is set when a template was added, removed or replaced.
	Templates bool
	// Workloads are those, of the newer snapshot, that are new or whose pods or
	// template differ from before, in order.
	Workloads []*Workload
	// Entries are the entries that were added, removed or replaced: both their versions.
	// No connection depends on them.
	Entries []Entry
}

// KeepIsolating leaves out the netpols of which both versions isolate the same pods: who is
// isolated they do not change.
func (d *Delta) KeepIsolating() {
	for i := range d.Namespaces {
		netpols := d.Namespaces[i].Netpols
		var kept []*Netpol
		for _, n := range netpols {
			if !slices.ContainsFunc(netpols, func(o *Netpol) bool {
				return o != n && o.Name == n.Name && o.Isolates == n.Isolates && o.Selector.Key() == n.Selector.Key()
			}) {
				kept = append(kept, n)
			}
		}
		d.Namespaces[i].Netpols = kept
	}
}

// Since tells what differs between s and an earlier snapshot. Namespaces
// and netpols are compared by identity, so its cost is that of the namespaces
// that changed.
func (s *Snapshot) Since(before *Snapshot) Delta {
	d := Delta{Everything: !maps.EqualFunc(s.foreign, before.foreign, func(a, b *Foreign) bool { return a == b })}
	was := before.shards
	for _, now := range s.shards {
		for len(was) > 0 && was[0].namespace.Name < now.namespace.Name {
			was = was[1:]
		}
		switch {
		case len(was) == 0 || was[0].namespace.Name != now.namespace.Name:
			d.Namespaces = append(d.Namespaces, now.since(nil))
		case was[0] != now:
			d.Namespaces = append(d.Namespaces, now.since(was[0]))
		}
	}
	return d
}

func (s *shard) since(was *shard) NamespaceDelta {
	d := NamespaceDelta{Name: s.namespace.Name}
	if was == nil {
		was = newShard(d.Name)
		d.Relabelled = true
	}
	d.Relabelled = d.Relabelled || !s.namespace.sameLabels(was.namespace)
	if s.ordering != was.ordering {
		d.Netpols = append(replaced(s.netpols, was.netpols), replaced(was.netpols, s.netpols)...)
	}
	if s.entering != was.entering {
		d.Entries = append(replaced(s.entries, was.entries), replaced(was.entries, s.entries)...)
	}
	d.Templates = s.templating != was.templating
	d.Workloads = s.changed(was)
	return d
}

// changed lists the workloads that were not there, or not like this, in an
// earlier version of the shard.
func (s *shard) changed(was *shard) []*Workload {
	if s.folding == was.folding {
		return nil
	}
	before := was.fold().sorted
	var out []*Workload
	for _, w := range s.fold().sorted {
		for len(before) > 0 && before[0] != w && before[0].Ref.Compare(w.Ref) < 0 {
			before = before[1:]
		}
		if len(before) == 0 || (before[0] != w && (before[0].Ref != w.Ref || !w.equal(before[0]))) {
			out = append(out, w)
		}
	}
	return out
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
