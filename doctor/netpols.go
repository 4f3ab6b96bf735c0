package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// What a remark is about, beside what the audit has: a netpol that chooses nobody.
const (
	// NotEnforced is a network that ignores NetworkPolicies, or a part of them.
	NotEnforced = "not-enforced"
	// NamesNothing is a netpol of which a peer or a port is nothing that is there.
	NamesNothing = "names-nothing"
	// AddsNothing is a netpol without which everything would be as it is with it.
	AddsNothing = "adds-nothing"
)

// Remark is one thing that the audit tells, too.
type Remark struct {
	// What is one of the above.
	What string
	// Object is the netpol; zero for what is about the cluster.
	Object cluster.Ref
	Text   string
}

// Remarks are what Examine finds that the audit tells, too: what is known, and nothing that
// nobody could see.
func Remarks(f Facts) []Remark {
	var out []Remark
	for _, answers := range [][]Answer{f.network(), f.features()} {
		for _, a := range answers {
			if a.Status == Problem {
				out = append(out, Remark{What: NotEnforced, Text: a.Text})
			}
		}
	}
	return append(out, NetpolRemarks(f.Snapshot)...)
}

// NetpolRemarks are those about single netpols, sorted.
func NetpolRemarks(s *cluster.Snapshot) []Remark {
	out := append(namesNothing(s), addsNothing(s)...)
	slices.SortStableFunc(out, func(a, b Remark) int { return a.Object.Compare(b.Object) })
	return out
}

// namesNothing are the netpols that select somebody, and have a rule about nobody or nothing.
func namesNothing(s *cluster.Snapshot) []Remark {
	look := looker{s, map[[2]selector.Key]bool{}}
	var out []Remark
	for n := range s.AllNetpols() {
		if n.Over != "" || s.Members(n.Namespace).Select(n.Selector).None() {
			continue
		}
		var idle []string
		for _, d := range []cluster.Direction{cluster.Ingress, cluster.Egress} {
			for i := range n.Rules[d] {
				r := &n.Rules[d][i]
				at := fmt.Sprintf("%s rule %d", d, i+1)
				for j := range r.Peers {
					if text := look.peer(n.Namespace, &r.Peers[j]); text != "" {
						idle = append(idle, at+": "+text)
					}
				}
				for _, p := range r.Ports {
					if p.Name != "" && !look.named(n, d, r, p) {
						idle = append(idle, fmt.Sprintf("%s: port %s: none of the pods that it leads to has a %s port of that name", at, p.Name, p.Protocol))
					}
				}
			}
		}
		if len(idle) > 0 {
			out = append(out, Remark{NamesNothing, n.Ref(), fmt.Sprintf("NetworkPolicy %s/%s names what is not there: %s", n.Namespace, n.Name, strings.Join(listed(idle), "; "))})
		}
	}
	return out
}

// looker remembers which selectors find somebody.
type looker struct {
	s    *cluster.Snapshot
	seen map[[2]selector.Key]bool
}

// peer says why a peer matches nobody; empty where it matches somebody, or may.
func (l *looker) peer(own string, p *cluster.NetpolPeer) string {
	switch {
	case p.Block != nil || p.Broken:
		return ""
	case p.OwnNamespace:
		if !p.Pods.SelectsAll() && l.s.Members(own).Select(p.Pods).None() {
			return fmt.Sprintf("podSelector %s matches no pod of namespace %s", p.Pods, own)
		}
		return ""
	}
	namespaces := 0
	for range l.s.SelectNamespaces(p.Namespaces) {
		namespaces++
	}
	switch {
	case namespaces == 0:
		return fmt.Sprintf("namespaceSelector %s matches no namespace", p.Namespaces)
	case p.Pods.SelectsAll() || l.somebody(p):
		return ""
	}
	return fmt.Sprintf("podSelector %s matches no pod of the %s that namespaceSelector %s matches", p.Pods, count(namespaces, "namespace"), p.Namespaces)
}

func (l *looker) somebody(p *cluster.NetpolPeer) bool {
	key := [2]selector.Key{p.Namespaces.Key(), p.Pods.Key()}
	found, known := l.seen[key]
	if known {
		return found
	}
	for _, members := range l.s.SelectNamespaces(p.Namespaces) {
		if members.Select(p.Pods).Any() {
			found = true
			break
		}
	}
	l.seen[key] = found
	return found
}

// named tells whether a port name stands for something on one of the pods that a rule leads to.
// Where it leads to none, there is nothing to say about ports.
func (l *looker) named(n *cluster.Netpol, d cluster.Direction, r *cluster.NetpolRule, p cluster.NetpolPort) bool {
	nobody := true
	has := func(m cluster.Members, which selector.Selector) bool {
		bits := m.Select(which)
		for i, v := range m.Variants() {
			if !bits.Test(uint(i)) {
				continue
			}
			if nobody = false; len(v.ResolvePort(p.Name, p.Protocol)) > 0 {
				return true
			}
		}
		return false
	}
	if d == cluster.Ingress {
		return has(l.s.Members(n.Namespace), n.Selector) || nobody
	}
	if r.AnyPeer {
		for ns := range l.s.Namespaces() {
			if has(l.s.Members(ns.Name), selector.Everything()) {
				return true
			}
		}
		return nobody
	}
	for i := range r.Peers {
		peer := &r.Peers[i]
		switch {
		case peer.Block != nil || peer.Broken:
			return true // who has those addresses is not asked
		case peer.OwnNamespace:
			if has(l.s.Members(n.Namespace), peer.Pods) {
				return true
			}
		default:
			for _, members := range l.s.SelectNamespaces(peer.Namespaces) {
				if has(members, peer.Pods) {
					return true
				}
			}
		}
	}
	return nobody
}

// netpols answers which of them do nothing.
func (f *Facts) netpols() []Answer {
	if blind, ok := f.blind("What NetworkPolicies do", "networkpolicies", "namespaces", "pods"); ok {
		return blind
	}
	total := f.netpolCount()
	if total == 0 {
		return []Answer{{Status: Warning, Text: "There is no NetworkPolicy: everybody may talk to everybody", Mend: "begin with a default-deny in each namespace (docs/guardrails.md#default-deny)"}}
	}
	texts := map[string][]string{}
	for _, r := range append(slices.Clone(f.ChooseNobody), NetpolRemarks(f.Snapshot)...) {
		texts[r.What] = append(texts[r.What], r.Text)
	}
	var out []Answer
	add := func(what string, status Status, text, mend string) {
		if lines := texts[what]; len(lines) > 0 {
			out = append(out, Answer{Status: status, Text: fmt.Sprintf(text, count(len(lines), "NetworkPolicy")), Evidence: listed(lines), Mend: mend})
		}
	}
	add(ChoosesNobody, Warning, "%s without anybody selected", "mend the podSelector, or delete them")
	status, names := Warning, "%s with a peer or a port that nothing has"
	if !f.Live {
		status, names = Unknown, "%s with a peer or a port that nothing here has; it may be in the cluster"
	}
	add(NamesNothing, status, names, "mend what they name, or take it out: whoever gets that label, namespace or port name first is let through")
	add(AddsNothing, Warning, "%s too many: without them nothing would change, whatever pods come", "see which is meant: the one that says all of it may be the one that is too wide; else delete these")
	if len(out) == 0 {
		return []Answer{{Status: OK, Text: fmt.Sprintf("All select somebody, name what is there, and add something (%s)", count(total, "NetworkPolicy"))}}
	}
	return out
}

// ChoosesNobody is the audit's word for a netpol that selects no pod.
const ChoosesNobody = "chooses-nobody"
