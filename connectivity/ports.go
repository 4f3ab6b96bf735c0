package connectivity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
)

// PortRange is an inclusive range of destination ports of one protocol.
type PortRange struct {
	Protocol    cluster.Protocol
	First, Last uint16
}

// String is "TCP 5432", or "TCP 8000-8080", or "all TCP ports".
func (r PortRange) String() string {
	switch {
	case r.First == minPort && r.Last == maxPort:
		return "all " + r.Protocol.String() + " ports"
	case r.First == r.Last:
		return fmt.Sprintf("%s %d", r.Protocol, r.First)
	}
	return fmt.Sprintf("%s %d-%d", r.Protocol, r.First, r.Last)
}

const (
	minPort = 1
	maxPort = 65535
)

type span struct{ first, last uint16 }

// PortSet is a set of destination ports of TCP, UDP and SCTP. The zero value is
// the empty set. It is a value: no operation changes its operands.
type PortSet struct {
	// spans are sorted, disjoint and not adjacent, for each protocol.
	spans [3][]span
}

// AllPorts is every port of every protocol.
func AllPorts() PortSet {
	var s PortSet
	for p := range s.spans {
		s.spans[p] = everyPort
	}
	return s
}

var everyPort = []span{{minPort, maxPort}}

// Ports is the set of the given ranges.
func Ports(ranges ...PortRange) PortSet {
	var s PortSet
	for _, r := range ranges {
		s.spans[r.Protocol] = append(s.spans[r.Protocol], span{r.First, r.Last})
	}
	for p := range s.spans {
		s.spans[p] = joinSpans(s.spans[p])
	}
	return s
}

// joinSpans sorts a list of its own and joins what overlaps or touches.
func joinSpans(all []span) []span {
	if len(all) < 2 {
		return all
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	out := all[:1]
	for _, x := range all[1:] {
		if last := &out[len(out)-1]; uint32(x.first) <= uint32(last.last)+1 {
			last.last = max(last.last, x.last)
		} else {
			out = append(out, x)
		}
	}
	return out
}

// Ranges lists the set: TCP, UDP, SCTP, each in ascending order.
func (s PortSet) Ranges() []PortRange {
	var out []PortRange
	for _, p := range cluster.Protocols() {
		for _, x := range s.spans[p] {
			out = append(out, PortRange{p, x.first, x.last})
		}
	}
	return out
}

// Empty reports whether no port is in the set.
func (s PortSet) Empty() bool {
	return len(s.spans[0]) == 0 && len(s.spans[1]) == 0 && len(s.spans[2]) == 0
}

// All reports whether every port of every protocol is in the set.
func (s PortSet) All() bool { return s.Equal(AllPorts()) }

// Equal reports whether two sets hold the same ports.
func (s PortSet) Equal(o PortSet) bool {
	for p := range s.spans {
		if !slices.Equal(s.spans[p], o.spans[p]) {
			return false
		}
	}
	return true
}

// Contains reports whether one port is in the set.
func (s PortSet) Contains(p cluster.Protocol, port uint16) bool {
	for _, x := range s.spans[p] {
		if x.first <= port && port <= x.last {
			return true
		}
	}
	return false
}

// Union holds the ports that are in s or in o.
func (s PortSet) Union(o PortSet) PortSet {
	var out PortSet
	for p := range s.spans {
		switch {
		case len(s.spans[p]) == 0:
			out.spans[p] = o.spans[p]
		case len(o.spans[p]) == 0 || same(s.spans[p], o.spans[p]):
			out.spans[p] = s.spans[p]
		default:
			out.spans[p] = unite(s.spans[p], o.spans[p])
		}
	}
	return out
}

// Intersect holds the ports that are in both.
func (s PortSet) Intersect(o PortSet) PortSet {
	var out PortSet
	for p := range s.spans {
		out.spans[p] = intersect(s.spans[p], o.spans[p])
	}
	return out
}

// Subtract holds the ports of s that are not in o.
func (s PortSet) Subtract(o PortSet) PortSet {
	var out PortSet
	for p := range s.spans {
		switch {
		case len(o.spans[p]) == 0:
			out.spans[p] = s.spans[p]
		case !slices.Equal(s.spans[p], o.spans[p]):
			out.spans[p] = intersect(s.spans[p], complement(o.spans[p]))
		}
	}
	return out
}

// String lists the ranges: "TCP 80, TCP 8000-8080, all UDP ports", "all ports",
// or "no port".
func (s PortSet) String() string {
	if s.Empty() {
		return "no port"
	}
	if s.All() {
		return "all ports"
	}
	var parts []string
	for _, r := range s.Ranges() {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ", ")
}

func unite(a, b []span) []span {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y span) int { return int(x.first) - int(y.first) })
	out := all[:1]
	for _, x := range all[1:] {
		if last := &out[len(out)-1]; uint32(x.first) <= uint32(last.last)+1 {
			last.last = max(last.last, x.last)
		} else {
			out = append(out, x)
		}
	}
	return out
}

func intersect(a, b []span) []span {
	if len(a) == 1 && a[0] == everyPort[0] {
		return b
	}
	if len(b) == 1 && b[0] == everyPort[0] {
		return a
	}
	if same(a, b) {
		return a
	}
	var out []span
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if first, last := max(a[i].first, b[j].first), min(a[i].last, b[j].last); first <= last {
			out = append(out, span{first, last})
		}
		if a[i].last < b[j].last {
			i++
		} else {
			j++
		}
	}
	return out
}

// same says at once that two lists are one; false says nothing. A set of a thousand ports is
// mostly met with itself, because it comes of one rule (numbers.go).
func same(a, b []span) bool { return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] }

func complement(a []span) []span {
	var out []span
	next := uint32(minPort)
	for _, x := range a {
		if next < uint32(x.first) {
			out = append(out, span{uint16(next), x.first - 1})
		}
		next = uint32(x.last) + 1
	}
	if next <= maxPort {
		out = append(out, span{uint16(next), maxPort})
	}
	return out
}
