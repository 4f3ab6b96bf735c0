package connectivity

import (
	"cmp"
	"maps"
	"slices"

	"github.com/podcullis/podcullis/cluster"
)

// Fate is what became of an object between two snapshots.
type Fate string

// The fates.
const (
	Created Fate = "new"
	Edited  Fate = "changed"
	Deleted Fate = "deleted"
)

// Cause is an object that is not what it was, and has a say in a connection that is not
// what it was either: a netpol of one of its sides, one of its ends, or the namespace of
// one, whose labels netpols look at.
type Cause struct {
	Object cluster.Ref
	Fate   Fate
}

// WithCauses adds to differences what has changed between the snapshots and has a say in
// them: the netpol that closed or opened a path, or the labels of its ends.
func WithCauses(all []Difference, before, after *cluster.Snapshot, o Options) []Difference {
	c := causes{before, after, o}
	out := slices.Clone(all)
	for i := range out {
		out[i].Causes = c.of(&out[i])
	}
	return out
}

type causes struct {
	before, after *cluster.Snapshot
	options       Options
}

func (c causes) of(d *Difference) []Cause {
	var out []Cause
	for _, ref := range c.netpols(d) {
		if fate, ok := c.netpol(ref); ok {
			out = append(out, Cause{ref, fate})
		}
	}
	for _, p := range []Peer{d.From, d.To} {
		if p.Workload != nil {
			out = append(out, c.end(p.Workload.Ref)...)
		}
	}
	slices.SortFunc(out, func(a, b Cause) int { return cmp.Or(cmp.Compare(rankOf(a), rankOf(b)), a.Object.Compare(b.Object)) })
	return slices.Compact(out)
}

// netpols are those that a difference may come from.
func (c causes) netpols(d *Difference) []cluster.Ref {
	before := func(ports PortSet) [2]sideNetpols { return c.sides(c.before, d, ports) }
	after := func(ports PortSet) [2]sideNetpols { return c.sides(c.after, d, ports) }
	switch d.Turned {
	case Doubted:
		return news(d.LostBy, doubtful(after(d.After)), before(d.After))
	case Proved:
		return news(d.GainedBy, doubtful(before(d.After)), after(d.After))
	}
	gained, lost := d.Gained(), d.Lost()
	return append(news(d.GainedBy, before(gained), after(gained)), news(d.LostBy, after(lost), before(lost))...)
}

// doubtful are sides that let something through, perhaps: of that, too, a netpol that is
// new is the cause.
func doubtful(sides [2]sideNetpols) [2]sideNetpols {
	for i := range sides {
		sides[i].shut = true
	}
	return sides
}

// rankOf is 0 for a netpol: it is the first that people look for.
func rankOf(c Cause) int {
	if c.Object.Kind == "NetworkPolicy" {
		return 0
	}
	return 1
}

// sideNetpols are the netpols of one side of a path: those that isolate it, and those of
// them that let it through; whether it lets none through, and whether some of its pods are
// isolated by none.
type sideNetpols struct {
	isolate, through []cluster.Ref
	shut, free       bool
}

// sides are those of a path in a snapshot; nil when an end is not there.
func (c causes) sides(s *cluster.Snapshot, d *Difference, ports PortSet) (out [2]sideNetpols) {
	from, okFrom := peerIn(s, d.From)
	to, okTo := peerIn(s, d.To)
	if ports.Empty() || !okFrom || !okTo {
		return out
	}
	for direction, side := range Explain(s, from, to, ports, c.options).Sides {
		out[direction].shut = !side.Outside && side.Blocks()
		for _, n := range side.Netpols {
			out[direction].isolate = append(out[direction].isolate, n.Netpol.Ref())
		}
		for _, b := range side.Because {
			out[direction].through = append(out[direction].through, b.Netpol)
			out[direction].free = out[direction].free || b.NotIsolated
		}
	}
	return out
}

// news are the netpols that let a path through where it is open, and do not where it is
// shut, and of a side that nobody isolates where it is open those that shut it. One more
// netpol for pods that are isolated already shuts nothing.
func news(because []Because, shut, open [2]sideNetpols) []cluster.Ref {
	var out []cluster.Ref
	for _, b := range because {
		if b.Netpol != (cluster.Ref{}) && !slices.Contains(shut[b.Direction].through, b.Netpol) {
			out = append(out, b.Netpol)
		}
	}
	for direction := range shut {
		if !shut[direction].shut || !open[direction].free {
			continue
		}
		for _, n := range shut[direction].isolate {
			if !slices.Contains(open[direction].isolate, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// peerIn is the same peer in another snapshot.
func peerIn(s *cluster.Snapshot, p Peer) (Peer, bool) {
	if p.Workload == nil {
		return p, true
	}
	w, ok := s.Workload(p.Workload.Ref)
	return Peer{Workload: w}, ok
}

func (c causes) netpol(ref cluster.Ref) (Fate, bool) {
	was, before := c.before.Netpol(ref.Namespace, ref.Name)
	is, after := c.after.Netpol(ref.Namespace, ref.Name)
	switch {
	case before && after:
		return Edited, !(cluster.Change{Before: was, After: is}).Idle()
	case after:
		return Created, true
	}
	return Deleted, before
}

// end is a workload that came, went or has other labels, and its namespace if it has.
func (c causes) end(ref cluster.Ref) []Cause {
	was, before := c.before.Workload(ref)
	is, after := c.after.Workload(ref)
	var out []Cause
	switch {
	case !before:
		out = append(out, Cause{ref, Created})
	case !after:
		out = append(out, Cause{ref, Deleted})
	case !maps.Equal(was.Labels, is.Labels):
		out = append(out, Cause{ref, Edited})
	}
	namespace := cluster.Ref{Kind: "Namespace", Name: ref.Namespace}
	a, hadOne := c.before.Namespace(ref.Namespace)
	b, hasOne := c.after.Namespace(ref.Namespace)
	if hadOne && hasOne && !maps.Equal(a.Labels, b.Labels) {
		out = append(out, Cause{namespace, Edited})
	}
	return out
}
