package remedy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// edit is one small change of one object.
type edit struct {
	object cluster.Ref
	rank   int
	text   string
	netpol func(*cluster.Draft) bool // false when nothing would be left
	labels func(*labelled)           // of an object that is no netpol
	create func() *cluster.Draft     // of a netpol that is not there yet
	// last is set for edits after which the rules have other numbers; of these the last
	// rule goes first.
	last int
	// joint is set for edits of several rules, which go when they are left with nobody: no
	// other edit may follow one that did.
	joint bool
	// isolates is set for edits of who is isolated.
	isolates bool
}

// The ranks: what says most about what was meant first.
const (
	rankRestore = iota // as it was
	rankAllow          // a list of who may
	rankDeny           // a list of who may not
	rankPorts
	rankRemove
)

const (
	maxEdits  = 40
	maxValues = 6 // in a list that an edit writes
	maxRanges = 2 // of ports that are left out
	maxParts  = 8 // labels of a part of the peers
)

// ruleAt is a rule of the netpol that is edited.
type ruleAt struct {
	direction cluster.Direction
	rule      int
}

// narrowing is what the paths say about one netpol.
type narrowing struct {
	netpol   *cluster.Netpol
	name     string // "ns/name"
	subjects map[cluster.Direction][]peer
	peers    map[ruleAt][]peer
	ports    map[ruleAt]connectivity.PortSet
	// chosenBy are what guardrails ask for on each side of these paths.
	subjectsChosenBy map[cluster.Direction][]metav1.LabelSelectorRequirement
	peersChosenBy    map[ruleAt][]metav1.LabelSelectorRequirement
}

// edits lists the small changes of one netpol that may shut the paths.
func (s *search) edits(n *cluster.Netpol) []edit {
	w := s.narrowing(n)
	var out []edit
	add := func(rank int, text string, change func(*cluster.Draft) bool) {
		if len(out) < maxEdits {
			out = append(out, edit{object: n.Ref(), rank: rank, text: text, netpol: change})
		}
	}
	for _, d := range []cluster.Direction{cluster.Ingress, cluster.Egress} {
		if len(w.subjects[d]) == 0 {
			continue
		}
		before := len(out)
		s.jointEdits(w, d, add)
		for i := range out[before:] {
			out[before+i].joint = true
		}
		for _, r := range unite(w.subjectsChosenBy[d], common(w.subjects[d]), parts(w.subjects[d])) {
			add(rankOfRequirement(r), fmt.Sprintf("%s its podSelector", leave(r, "out of", "in")), func(draft *cluster.Draft) bool { return draft.NarrowPodSelector(r) })
			out[len(out)-1].isolates = true
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(w.peers), func(a, b ruleAt) int {
		return 2*int(b.direction) + b.rule - 2*int(a.direction) - a.rule
	}) {
		s.ruleEdits(w, at, add)
		out = append(out, edit{object: n.Ref(), rank: rankRemove, text: "remove " + at.String(), last: 1 + at.rule, netpol: func(draft *cluster.Draft) bool {
			draft.RemoveRule(at.direction, at.rule)
			return true
		}})
	}
	return append(out, w.behind()...)
}

// ruleEdits are those of one rule.
func (s *search) ruleEdits(w narrowing, at ruleAt, add func(int, string, func(*cluster.Draft) bool)) {
	rule := w.netpol.Rules[at.direction][at.rule]
	for _, r := range unite(w.peersChosenBy[at], common(w.peers[at]), parts(w.peers[at])) {
		add(rankOfRequirement(r), fmt.Sprintf("%s %s", leave(r, "out of", "in"), at), func(draft *cluster.Draft) bool {
			return s.narrow(draft, w, at, r)
		})
	}
	if names := namespacesOf(w.peers[at]); len(names) > 0 && len(names) <= maxValues && !ownOnly(rule) {
		add(rankDeny, fmt.Sprintf("leave the pods of namespace %s out of %s", strings.Join(names, ", "), at), func(draft *cluster.Draft) bool {
			return draft.NarrowNamespaces(at.direction, at.rule, names...)
		})
	}
	if blocks := blocksOf(w.peers[at]); len(blocks) > 0 && len(blocks) <= maxValues {
		add(rankDeny, fmt.Sprintf("leave %s out of %s", strings.Join(blocks, ", "), at), func(draft *cluster.Draft) bool {
			for _, b := range blocks {
				if !draft.LeaveOutAddresses(at.direction, at.rule, netip.MustParsePrefix(b)) {
					return false
				}
			}
			return true
		})
	}
	for i, p := range rule.Peers {
		if len(rule.Peers) > 1 {
			add(rankAllow, fmt.Sprintf("remove the peer %s from %s", peerText(p), at), func(draft *cluster.Draft) bool {
				return draft.RemovePeer(at.direction, at.rule, i)
			})
		}
	}
	if ports := w.ports[at]; len(ports.Ranges()) > 0 && len(ports.Ranges()) <= maxRanges {
		add(rankPorts, fmt.Sprintf("leave %s out of %s", ports, at), func(draft *cluster.Draft) bool {
			return withoutPorts(draft, rule, at, ports)
		})
	}
}

// jointEdits narrow all the rules by which the paths get through alike: where two of
// them do the same, one edit of one of them shuts nothing.
func (s *search) jointEdits(w narrowing, d cluster.Direction, add func(int, string, func(*cluster.Draft) bool)) {
	var rules []ruleAt
	var chosenBy []metav1.LabelSelectorRequirement
	var peers []peer
	for _, at := range slices.SortedFunc(maps.Keys(w.peers), func(a, b ruleAt) int { return a.rule - b.rule }) {
		if at.direction != d {
			continue
		}
		rules = append(rules, at)
		chosenBy = unite(chosenBy, w.peersChosenBy[at])
		for _, p := range w.peers[at] {
			peers = appendPeer(peers, p)
		}
	}
	if len(rules) < 2 {
		return
	}
	var names []string
	for _, at := range rules {
		names = append(names, at.String())
	}
	for _, r := range unite(chosenBy, common(peers)) {
		add(rankOfRequirement(r), fmt.Sprintf("%s %s", leave(r, "out of", "in"), join(names)), func(draft *cluster.Draft) bool {
			// The last rule first: one that is left with nobody goes.
			for _, at := range slices.Backward(rules) {
				if !s.narrow(draft, w, at, r) {
					draft.RemoveRule(at.direction, at.rule)
				}
			}
			return true
		})
	}
}

// narrow narrows those peers of a rule by which the paths get through, or all where it
// cannot be told which these are.
func (s *search) narrow(draft *cluster.Draft, w narrowing, at ruleAt, r metav1.LabelSelectorRequirement) bool {
	guilty := func(p cluster.NetpolPeer) bool {
		return slices.ContainsFunc(w.peers[at], func(o peer) bool { return s.letsThrough(p, w.netpol.Namespace, o) })
	}
	rule := w.netpol.Rules[at.direction][at.rule]
	if !rule.AnyPeer && !slices.ContainsFunc(rule.Peers, guilty) {
		return draft.NarrowPeers(at.direction, at.rule, r)
	}
	return draft.NarrowPeersThat(guilty, at.direction, at.rule, r)
}

// letsThrough tells whether a netpol's peer is, or may be, one of a path.
func (s *search) letsThrough(p cluster.NetpolPeer, own string, o peer) bool {
	ns, known := s.review.After.Namespace(o.Namespace)
	w, there := s.review.After.Workload(cluster.Ref{Namespace: o.Namespace, Kind: o.Kind, Name: o.Name})
	switch {
	case p.Block != nil, p.Broken, o.CIDR != "", o.Witness:
		return true
	case p.OwnNamespace && o.Namespace != own:
		return false
	case !p.OwnNamespace && known && ns.Matches(p.Namespaces) == selector.No:
		return false
	}
	return !there || slices.ContainsFunc(w.Variants, func(v *cluster.Variant) bool { return p.Pods.Matches(v.Labels) != selector.No })
}

// narrowing gathers what the paths say about a netpol.
func (s *search) narrowing(n *cluster.Netpol) narrowing {
	w := narrowing{
		netpol: n, name: n.Namespace + "/" + n.Name,
		subjects: map[cluster.Direction][]peer{}, peers: map[ruleAt][]peer{}, ports: map[ruleAt]connectivity.PortSet{},
		subjectsChosenBy: map[cluster.Direction][]metav1.LabelSelectorRequirement{}, peersChosenBy: map[ruleAt][]metav1.LabelSelectorRequirement{},
	}
	for _, p := range s.paths {
		for _, b := range p.because {
			if b.Netpol != w.name || b.Rule == nil {
				continue
			}
			d, subject, other := cluster.Ingress, p.to, p.from
			if b.Direction == cluster.Egress.String() {
				d, subject, other = cluster.Egress, p.from, p.to
			}
			at := ruleAt{d, *b.Rule}
			if at.rule >= len(n.Rules[d]) {
				continue
			}
			w.subjects[d] = appendPeer(w.subjects[d], subject)
			w.peers[at] = appendPeer(w.peers[at], other)
			w.ports[at] = w.ports[at].Union(p.ports)
			from, to := s.asked(p.guardrail)
			if d == cluster.Egress {
				from, to = to, from
			}
			w.subjectsChosenBy[d] = appendRequirement(w.subjectsChosenBy[d], to)
			w.peersChosenBy[at] = appendRequirement(w.peersChosenBy[at], from)
		}
	}
	return w
}

// asked are the pod selectors by which a guardrail chooses who must not reach whom,
// where they are one requirement, so that the rest can be written down.
func (s *search) asked(name string) (from, to *metav1.LabelSelectorRequirement) {
	for _, q := range s.questions {
		if q.Guardrail != name {
			continue
		}
		if r, ok := q.From.Pods.Requirement(); ok {
			from = &r
		}
		if r, ok := q.To.Pods.Requirement(); ok {
			to = &r
		}
	}
	return from, to
}

func appendRequirement(list []metav1.LabelSelectorRequirement, r *metav1.LabelSelectorRequirement) []metav1.LabelSelectorRequirement {
	if r == nil || slices.ContainsFunc(list, func(o metav1.LabelSelectorRequirement) bool { return o.String() == r.String() }) {
		return list
	}
	return append(list, *r)
}

func appendPeer(list []peer, p peer) []peer {
	if slices.ContainsFunc(list, func(o peer) bool {
		return o.Namespace == p.Namespace && o.Kind == p.Kind && o.Name == p.Name && o.CIDR == p.CIDR
	}) {
		return list
	}
	return append(list, p)
}

// common are the labels that all the pods among some peers have, each with its values.
func common(peers []peer) []metav1.LabelSelectorRequirement {
	values := map[string][]string{}
	pods := 0
	for _, p := range peers {
		if p.CIDR != "" {
			continue
		}
		pods++
		for k, v := range p.Labels {
			if !selector.IsGenerated(k) { // it would hold until the next rollout
				values[k] = append(values[k], v)
			}
		}
	}
	var out []metav1.LabelSelectorRequirement
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if len(values[key]) < pods {
			continue
		}
		slices.Sort(values[key])
		if list := slices.Compact(values[key]); len(list) <= maxValues {
			out = append(out, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn, Values: list})
		}
	}
	return out
}

// parts are the labels that some of the peers have: each leaves out a part of them.
func parts(peers []peer) []metav1.LabelSelectorRequirement {
	if len(peers) < 2 {
		return nil
	}
	var out []metav1.LabelSelectorRequirement
	for _, p := range peers {
		for _, r := range common([]peer{p}) {
			out = appendRequirement(out, &r)
		}
		if len(out) > maxParts {
			return nil // there are too many to tell which is meant
		}
	}
	return out
}

// unite is what is in some lists, each once.
func unite(lists ...[]metav1.LabelSelectorRequirement) []metav1.LabelSelectorRequirement {
	var out []metav1.LabelSelectorRequirement
	for _, r := range slices.Concat(lists...) {
		out = appendRequirement(out, &r)
	}
	return out
}

func namespacesOf(peers []peer) []string {
	var out []string
	for _, p := range peers {
		if p.CIDR == "" {
			out = append(out, p.Namespace)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func blocksOf(peers []peer) []string {
	var out []string
	for _, p := range peers {
		if _, err := netip.ParsePrefix(p.CIDR); err == nil {
			out = append(out, p.CIDR)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ownOnly tells whether a rule speaks of the netpol's own namespace alone: to leave
// that out is to remove the peer.
func ownOnly(r cluster.NetpolRule) bool {
	return !r.AnyPeer && !slices.ContainsFunc(r.Peers, func(p cluster.NetpolPeer) bool { return !p.OwnNamespace })
}

// withoutPorts takes ports out of a rule. One that names ports stays as it is: the
// names may stand for different ports on different pods.
func withoutPorts(draft *cluster.Draft, rule cluster.NetpolRule, at ruleAt, ports connectivity.PortSet) bool {
	has, known := numbered(rule)
	if !known {
		return false
	}
	left := has.Subtract(ports)
	if left.Empty() {
		return false
	}
	draft.SetPorts(at.direction, at.rule, portsOf(left))
	return true
}

func rankOfRequirement(r metav1.LabelSelectorRequirement) int {
	if r.Operator == metav1.LabelSelectorOpNotIn {
		return rankAllow
	}
	return rankDeny
}
