package picture

import (
	"fmt"
	"net/netip"

	"go4.org/netipx"

	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

// compare adds what was added, what was removed, what only its certainty changed of and
// what stayed: port by port, and outside the cluster address by address.
func (b *builder) compare(before, after []*connection) {
	before, after = matched(before, after)
	type pair struct {
		path    string
		unknown bool
	}
	keyOf := func(c *connection) pair { return pair{c.key(), c.Unknown != ""} }
	was, is := map[pair]*connection{}, map[pair]*connection{}
	for _, c := range before {
		was[keyOf(c)] = c
	}
	for _, c := range after {
		is[keyOf(c)] = c
	}
	// there are the ports of a path on one side, as certain as it is and otherwise: one
	// that was open and now is unknown was not added.
	there := func(side map[pair]*connection, c *connection) (alike, otherwise connectivity.PortSet) {
		k := keyOf(c)
		if o, ok := side[k]; ok {
			alike = o.Ports
		}
		k.unknown = !k.unknown
		if o, ok := side[k]; ok {
			otherwise = o.Ports
		}
		return alike, otherwise
	}
	var parts [Turned + 1][]*connection
	add := func(c *connection, ports connectivity.PortSet, change Change) {
		if !ports.Empty() {
			part := *c
			part.Ports = ports
			parts[change] = append(parts[change], &part)
		}
	}
	for _, c := range after {
		alike, otherwise := there(was, c)
		add(c, c.Ports.Intersect(alike), Same)
		add(c, c.Ports.Subtract(alike).Intersect(otherwise), Turned)
		add(c, c.Ports.Subtract(alike.Union(otherwise)), Added)
	}
	for _, c := range before {
		alike, otherwise := there(is, c)
		add(c, c.Ports.Subtract(alike.Union(otherwise)), Removed)
	}
	for change, list := range parts {
		for _, c := range joined(list) {
			b.addConnection(c, Change(change))
		}
	}
}

// way is a workload, and whether it is the one that is reached.
type way struct {
	inside  string
	reached bool
}

// way is the way of a connection with the outside; false for one between workloads.
func (c *connection) way() (way, bool) {
	switch {
	case c.from.workload == nil:
		return way{c.to.key(), true}, true
	case c.to.workload == nil:
		return way{c.from.key(), false}, true
	}
	return way{}, false
}

// outside is the end of it that is outside the cluster.
func (c *connection) outside() *end {
	if c.from.workload == nil {
		return &c.from
	}
	return &c.to
}

// matched splits what is outside the cluster, so that each set of addresses is one of
// both versions, or is not in the other at all: a netpol that tells addresses apart
// changes nothing about those that it treats alike.
func matched(before, after []*connection) (b, a []*connection) {
	cells := map[way][]*netipx.IPSet{}
	for _, list := range [][]*connection{before, after} {
		for _, c := range list {
			if w, ok := c.way(); ok {
				cells[w] = refined(cells[w], setOf(c.outside().blocks))
			}
		}
	}
	split := func(list []*connection) []*connection {
		var out []*connection
		for _, c := range list {
			w, ok := c.way()
			if !ok {
				out = append(out, c)
				continue
			}
			all := setOf(c.outside().blocks)
			for _, cell := range cells[w] {
				if p := cell.Prefixes(); all.ContainsPrefix(p[0]) {
					part := *c
					part.outside().blocks = p
					out = append(out, &part)
				}
			}
		}
		return out
	}
	return split(before), split(after)
}

// refined are disjoint sets, of which one more is made of whole ones.
func refined(cells []*netipx.IPSet, one *netipx.IPSet) []*netipx.IPSet {
	var out []*netipx.IPSet
	keep := func(build func(*netipx.IPSetBuilder)) {
		var b netipx.IPSetBuilder
		build(&b)
		if s, err := b.IPSet(); err == nil && len(s.Ranges()) > 0 {
			out = append(out, s)
		}
	}
	var rest netipx.IPSetBuilder
	rest.AddSet(one)
	for _, c := range cells {
		keep(func(b *netipx.IPSetBuilder) { b.AddSet(c); b.Intersect(one) })
		keep(func(b *netipx.IPSetBuilder) { b.AddSet(c); b.RemoveSet(one) })
		rest.RemoveSet(c)
	}
	if s, err := rest.IPSet(); err == nil && len(s.Ranges()) > 0 {
		out = append(out, s)
	}
	return out
}

// setOf is a set of blocks. They come from sets, so that nothing about them can be wrong.
func setOf(blocks []netip.Prefix) *netipx.IPSet {
	var b netipx.IPSetBuilder
	for _, p := range blocks {
		b.AddPrefix(p)
	}
	s, err := b.IPSet()
	if err != nil {
		return &netipx.IPSet{}
	}
	return s
}

// joined brings addresses together again of which the same became.
func joined(list []*connection) []*connection {
	var out []*connection
	alike := map[string]*connection{}
	for _, c := range list {
		w, ok := c.way()
		if !ok {
			out = append(out, c)
			continue
		}
		key := fmt.Sprint(w, c.Ports, c.Unknown, report.BecauseText(c.Because))
		if first, ok := alike[key]; ok {
			first.outside().blocks = setOf(append(first.outside().blocks, c.outside().blocks...)).Prefixes()
			continue
		}
		alike[key] = c
		out = append(out, c)
	}
	return out
}
