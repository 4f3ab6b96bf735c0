package suggest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// unit is the smallest thing that a selector can name: a workload, or several of a namespace
// that no labels tell apart.
type unit struct {
	namespace string
	members   []*cluster.Workload // sorted
	// host is set for pods on the host's network, which no selector names.
	host   bool
	labels []labels.Set
	needs  [2]map[int]*need // by direction and peer
}

// need is what a unit needs of one peer.
type need struct {
	ports connectivity.PortSet
	why   []string
}

func (u *unit) key() string { return u.members[0].Ref.String() }

func (u *unit) need(d cluster.Direction, peer int, w Wanted) {
	if u.needs[d] == nil {
		u.needs[d] = map[int]*need{}
	}
	n, ok := u.needs[d][peer]
	if !ok {
		n = &need{}
		u.needs[d][peer] = n
	}
	n.ports = n.ports.Union(w.Ports)
	if w.Why != "" && !slices.Contains(n.why, w.Why) {
		n.why = append(n.why, w.Why)
	}
}

// gather finds the units of all namespaces: those elsewhere are peers of rules.
func (s *suggestion) gather() {
	s.unitOf = map[cluster.Ref]*unit{}
	for ns := range s.Snapshot.Namespaces() {
		var here []*unit
		for w := range s.Snapshot.Workloads(ns.Name) {
			here = append(here, &unit{namespace: ns.Name, members: []*cluster.Workload{w}, host: onHost(w), labels: labelsOf(w)})
		}
		here = joined(here)
		for _, u := range here {
			for _, w := range u.members {
				s.unitOf[w.Ref] = u
			}
			if len(u.members) > 1 {
				var refs []cluster.Ref
				for _, w := range u.members {
					refs = append(refs, w.Ref)
				}
				s.out.Alike = append(s.out.Alike, refs)
			}
		}
		s.units = append(s.units, here...)
	}
}

// labelsOf are the labels of a workload's pods that are the same for each new one of them.
func labelsOf(w *cluster.Workload) []labels.Set {
	var out []labels.Set
	for _, v := range w.Variants {
		l := maps.Clone(v.Labels)
		maps.DeleteFunc(l, func(key, _ string) bool { return selector.IsGenerated(key) })
		if !slices.ContainsFunc(out, func(o labels.Set) bool { return maps.Equal(o, l) }) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b labels.Set) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// joined makes one unit of those that cannot be told apart. What is on the host's network
// is named by nothing, and so is only kept apart from the others.
func joined(units []*unit) []*unit {
	for again := true; again; {
		again = false
		for i := 0; i < len(units); i++ {
			if units[i].host {
				continue
			}
			asked := requirementsOf(units[i].labels, othersOf(units, i))
			for j := len(units) - 1; j >= 0; j-- {
				if j == i || units[j].host || !slices.ContainsFunc(units[j].labels, func(l labels.Set) bool { return meets(asked, l) }) {
					continue
				}
				units[i].members = append(units[i].members, units[j].members...)
				units[i].labels = append(units[i].labels, units[j].labels...)
				units = slices.Delete(units, j, j+1)
				again = true
				break
			}
			if again {
				break
			}
		}
	}
	for _, u := range units {
		slices.SortFunc(u.members, func(a, b *cluster.Workload) int { return a.Ref.Compare(b.Ref) })
	}
	slices.SortFunc(units, func(a, b *unit) int {
		return cmp.Or(strings.Compare(a.members[0].Name, b.members[0].Name), a.members[0].Ref.Compare(b.members[0].Ref))
	})
	return units
}

// othersOf are the labels of all units but one.
func othersOf(units []*unit, but int) []labels.Set {
	var out []labels.Set
	for i, u := range units {
		if i != but {
			out = append(out, u.labels...)
		}
	}
	return out
}
