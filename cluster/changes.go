package cluster

import (
	"maps"
	"slices"
)

// ChangesSince lists what makes the snapshot of an earlier one, an object each, by what
// they are about. Like Since it costs as much as the namespaces that differ hold.
func (s *Snapshot) ChangesSince(before *Snapshot) []Change {
	var out []Change
	pair := func(was, now *shard) {
		if was == now {
			return
		}
		out = append(out, now.changesSince(was)...)
	}
	was := before.shards
	for _, now := range s.shards {
		for len(was) > 0 && was[0].namespace.Name < now.namespace.Name {
			pair(was[0], newShard(was[0].namespace.Name))
			was = was[1:]
		}
		if len(was) > 0 && was[0].namespace.Name == now.namespace.Name {
			pair(was[0], now)
			was = was[1:]
			continue
		}
		pair(newShard(now.namespace.Name), now)
	}
	for _, left := range was {
		pair(left, newShard(left.namespace.Name))
	}
	changesOf(&out, before.foreign, s.foreign)
	slices.SortStableFunc(out, func(a, b Change) int { return a.Ref().Compare(b.Ref()) })
	return out
}

func (s *shard) changesSince(was *shard) []Change {
	var out []Change
	if s.namespace != was.namespace {
		var c Change
		if !was.namespace.Implied {
			c.Before = was.namespace
		}
		if !s.namespace.Implied {
			c.After = s.namespace
		}
		if c != (Change{}) {
			out = append(out, c)
		}
	}
	changesOf(&out, was.netpols, s.netpols)
	changesOf(&out, was.templates, s.templates)
	if s.entering != was.entering {
		changesOf(&out, was.entries, s.entries)
	}
	if s.folding != was.folding {
		changesOf(&out, was.pods, s.pods)
	}
	return out
}

// changesOf compares two maps of objects by identity.
func changesOf[K comparable, V interface {
	comparable
	Object
}](out *[]Change, before, after map[K]V) {
	for k, now := range after {
		was, ok := before[k]
		switch {
		case !ok:
			*out = append(*out, Change{After: now})
		case was != now:
			*out = append(*out, Change{Before: was, After: now})
		}
	}
	for k := range maps.Keys(before) {
		if _, ok := after[k]; !ok {
			*out = append(*out, Change{Before: before[k]})
		}
	}
}

// Object is the object of that identity, nil when the model holds none.
func (s *Snapshot) Object(ref Ref) Object {
	switch ref.Kind {
	case "Namespace":
		if n, ok := s.Namespace(ref.Name); ok && !n.Implied {
			return n
		}
	case "Pod":
		if p, ok := s.Pod(ref.Namespace, ref.Name); ok {
			return p
		}
	case "NetworkPolicy":
		if n, ok := s.Netpol(ref.Namespace, ref.Name); ok {
			return n
		}
	default:
		if f, ok := s.foreign[ref]; ok {
			return f
		}
		if t, ok := s.Template(ref); ok {
			return t
		}
		if e, ok := s.Entry(ref); ok {
			return e
		}
	}
	return nil
}
