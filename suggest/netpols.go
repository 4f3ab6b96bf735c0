package suggest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/bits-and-blooms/bitset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// whyAnnotation says of a suggested netpol what it is for.
const whyAnnotation = "podcullis.io/why"

// draft writes one netpol.
func (l *layout) draft(b box, pods metav1.LabelSelector, taken map[string]bool) (*cluster.Draft, error) {
	rules := l.rulesOf(b.cols)
	d := cluster.NewDraft(l.namespace, named(taken, l.nameOf(b.rows)), pods)
	var why []string
	for _, direction := range bothWays {
		for _, r := range rules {
			if r.direction != direction {
				continue
			}
			peers, err := l.peers(r.peers)
			if err != nil {
				return nil, err
			}
			d.Isolate(direction)
			d.AddRule(direction, peers, writtenPorts(r.ports))
			why = append(why, l.why(b.rows, r))
		}
	}
	d.Annotate(whyAnnotation, strings.Join(why, "\n"))
	return d, nil
}

// writtenPorts are none for all ports.
func writtenPorts(ports connectivity.PortSet) []cluster.NetpolPort {
	if ports.All() {
		return nil
	}
	var out []cluster.NetpolPort
	for _, r := range ports.Ranges() {
		out = append(out, cluster.NetpolPort{Protocol: r.Protocol, First: r.First, Last: r.Last})
	}
	return out
}

// peers writes the peers of a rule: those of one namespace as one where some labels select
// them, then the addresses.
func (l *layout) peers(positions []int) ([]cluster.DraftPeer, error) {
	by := map[string][]*unit{}
	var namespaces []string
	var blocks []netip.Prefix
	for _, i := range positions {
		e := l.ends[i]
		if e.unit == nil {
			blocks = append(blocks, e.block)
			continue
		}
		if len(by[e.unit.namespace]) == 0 {
			namespaces = append(namespaces, e.unit.namespace)
		}
		by[e.unit.namespace] = append(by[e.unit.namespace], e.unit)
	}
	slices.Sort(namespaces)
	var out []cluster.DraftPeer
	for _, ns := range namespaces {
		selectors, err := l.suggestion.selectorsOf(ns, by[ns])
		if err != nil {
			return nil, err
		}
		for _, pods := range selectors {
			out = append(out, cluster.DraftPeer{Namespace: ns, Pods: pods})
		}
	}
	for _, b := range blocks {
		out = append(out, cluster.DraftPeer{Block: b, Except: l.podsWithin(b)})
	}
	return out, nil
}

// selectorsOf select some units of a namespace and nobody else, by as few selectors as were
// found: one mostly.
func (s *suggestion) selectorsOf(ns string, units []*unit) ([]metav1.LabelSelector, error) {
	var all, pods []*unit
	for _, u := range s.units {
		if u.namespace == ns {
			all = append(all, u)
			if !u.host {
				pods = append(pods, u)
			}
		}
	}
	var out []metav1.LabelSelector
	for len(units) > 0 {
		chosen, n := longest(units, all)
		if n == 0 { // what is on the host's network is not seen by all network plugins
			chosen, n = longest(units, pods)
		}
		if n == 0 {
			return nil, fmt.Errorf("no labels select %s alone", units[0].key())
		}
		out = append(out, chosen)
		units = units[n:]
	}
	return out, nil
}

// longest selects as many units as one selector can, from the first on, and how many.
func longest(units, among []*unit) (metav1.LabelSelector, int) {
	for n := len(units); n > 0; n-- {
		mine := map[*unit]bool{}
		var in []labels.Set
		for _, u := range units[:n] {
			mine[u] = true
			in = append(in, u.labels...)
		}
		if chosen, ok := tell(in, labelsBut(among, mine)); ok {
			return chosen, n
		}
	}
	return metav1.LabelSelector{}, 0
}

// podsWithin are the blocks of pods that lie within a block of addresses: whoever names
// addresses outside does not mean them.
func (s *suggestion) podsWithin(block netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s.Options.PodNetwork {
		if p = p.Masked(); block.Overlaps(p) && block.Bits() < p.Bits() && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int {
		return connectivity.Peer{CIDR: a}.Compare(connectivity.Peer{CIDR: b})
	})
	return out
}

// maxName is what is left of the 253 characters that a name may have for a number behind it.
const maxName = 200

// nameOf names a netpol after the workloads that it selects.
func (l *layout) nameOf(rows *bitset.BitSet) string {
	const some = 3
	var names []string
	for i := range rows.EachSet() {
		for _, w := range l.units[i].members {
			if !slices.Contains(names, w.Name) {
				names = append(names, w.Name)
			}
		}
	}
	name := strings.Join(names, "-")
	if len(names) > some {
		name = fmt.Sprintf("%s-and-%d-more", names[0], len(names)-1)
	}
	name = strings.TrimRight(name, "*-.")
	return strings.TrimRight(name[:min(len(name), maxName)], "-.")
}

// named is a name that is not taken yet, by itself or with a number.
func named(taken map[string]bool, name string) string {
	out := name
	for n := 2; taken[out]; n++ {
		out = fmt.Sprintf("%s-%d", name, n)
	}
	taken[out] = true
	return out
}

func (l *layout) names(rows *bitset.BitSet) string {
	var names []string
	for i := range rows.EachSet() {
		names = append(names, l.units[i].key())
	}
	return strings.Join(names, ", ")
}

// why says in a line what a rule is for, and where that comes from.
func (l *layout) why(rows *bitset.BitSet, r rule) string {
	const some = 5
	var peers, reasons []string
	for _, i := range r.peers {
		peers = append(peers, l.ends[i].words())
		for row := range rows.EachSet() {
			if n := l.units[row].needs[r.direction][i]; n != nil {
				reasons = append(reasons, n.why...)
			}
		}
	}
	word := map[cluster.Direction]string{cluster.Ingress: "from", cluster.Egress: "to"}[r.direction]
	out := fmt.Sprintf("%s %s on %s", word, listed(peers, some), r.ports)
	slices.Sort(reasons)
	if reasons = slices.Compact(reasons); len(reasons) > 0 {
		out += ": " + listed(reasons, some)
	}
	return out
}

func (e end) words() string {
	if e.unit == nil {
		return e.block.String()
	}
	var names []string
	for _, w := range e.unit.members {
		names = append(names, w.Ref.String())
	}
	return strings.Join(names, " or ")
}

func listed(all []string, most int) string {
	if n := len(all) - most; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), n)
	}
	return strings.Join(all, ", ")
}
