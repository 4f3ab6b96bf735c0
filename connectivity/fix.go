package connectivity

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// Fix is an edit of the netpols on one side of a path, or a new netpol, that
// shuts the path: it was tried on a copy of the snapshot.
type Fix struct {
	Kind      FixKind
	Direction cluster.Direction
	// Subject is the side whose netpols are edited, Peer the other end, Ports what was asked.
	Subject, Peer Peer
	Ports         PortSet
	// Key and Value are the label of FixLeaveOut, by which pods are left out.
	Key, Value string
	// Everybody is set when one of the rules is for everybody: it then names every
	// pod but those.
	Everybody bool
	// Rules are those that are edited; none for FixIsolate.
	Rules []Reason
	// Netpols are the edited ones, or the new one, as they should be.
	Netpols []*cluster.Draft
	// Cost counts the other connections that it shuts, by peers as Open lists them.
	Cost int
	// Lost are these connections.
	Lost []Connection
}

// FixKind says what a fix does.
type FixKind uint8

// The kinds, the one that says most about what was meant first.
const (
	FixLeaveOut FixKind = iota // the rules leave out the pods, or the addresses, of the other end
	FixPorts                   // the rules leave out the ports
	FixRemove                  // the rules go
	FixIsolate                 // a new netpol isolates the side, and keeps what else gets through
)

// String is the kind in one word, as JSON has it.
func (k FixKind) String() string {
	return [...]string{FixLeaveOut: "leave-out", FixPorts: "ports", FixRemove: "remove", FixIsolate: "isolate"}[k]
}

// String says in words what to do: "leave the pods with app=web out of ingress
// rule 1 of NetworkPolicy shop/db (podSelector: app NotIn [web])".
func (f Fix) String() string {
	var rules []string
	for _, r := range slices.Backward(f.Rules) {
		rules = append(rules, fmt.Sprintf("%s rule %d of NetworkPolicy %s/%s", f.Direction, r.Rule+1, r.Netpol.Namespace, r.Netpol.Name))
	}
	which := strings.Join(rules, " and ")
	switch {
	case f.Kind == FixLeaveOut && f.Key == "":
		return fmt.Sprintf("leave %s out of %s", f.Peer, which)
	case f.Kind == FixLeaveOut:
		everybody := ""
		if f.Everybody {
			everybody = "namespaceSelector: {}, "
		}
		return fmt.Sprintf("leave the pods with %s=%s out of %s (%spodSelector: %s NotIn [%s])", f.Key, f.Value, which, everybody, f.Key, f.Value)
	case f.Kind == FixPorts:
		return fmt.Sprintf("leave %s out of %s", f.Ports, which)
	case f.Kind == FixRemove:
		return "remove " + which
	}
	return fmt.Sprintf("isolate %s for %s, and let through by name the workloads that it connects with today", f.Subject, f.Direction)
}

const (
	maxFixCandidates = 24
	maxFixKept       = 30 // the peers that a new netpol keeps letting through
)

// Fixes lists what shuts a path that is open or unknown, the one that costs least
// first. Each was tried: after it, no asked port gets through from from to to.
// There may be none. The work is bounded, and ends when the options say so.
func Fixes(s *cluster.Snapshot, from, to Peer, ports PortSet, o Options) []Fix {
	f := &fixer{snapshot: s, from: from, to: to, ports: Query{Ports: ports}.ports(), options: o}
	x := Explain(s, from, to, f.ports, o)
	if x.Verdict == VerdictBlocked || x.Self {
		return nil
	}
	for d := range x.Sides {
		if !x.Sides[d].Outside && !x.Sides[d].HostNetwork {
			f.candidates(cluster.Direction(d), x.Sides[d])
		}
	}
	var out []Fix
	for _, c := range f.found[:min(len(f.found), maxFixCandidates)] {
		if o.Interrupted != nil && o.Interrupted() {
			break
		}
		side := x.Sides[c.Direction]
		c.Subject, c.Peer, c.Ports = side.Subject, side.Peer, f.ports
		if f.try(&c) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Fix) int {
		return cmp.Or(cmp.Compare(a.Cost, b.Cost), cmp.Compare(a.Kind, b.Kind), -cmp.Compare(a.Direction, b.Direction))
	})
	return out
}

// fixer looks for fixes of one path.
type fixer struct {
	snapshot *cluster.Snapshot
	from, to Peer
	ports    PortSet
	options  Options
	found    []Fix
}

// candidates are the edits of one side that may shut the path.
func (f *fixer) candidates(d cluster.Direction, side SideExplanation) {
	var rules []Reason
	for _, b := range side.Because {
		switch {
		case b.NotIsolated && (b.Unknown == "" || b.Unknown == GeneratedLabel):
			f.isolate(d, side)
			return
		case b.Netpol == (cluster.Ref{}) || b.NotIsolated:
			return // no edit of a rule helps
		}
		rules = append(rules, Reason{Direction: d, Netpol: b.Netpol, Rule: b.Rule})
	}
	slices.SortFunc(rules, func(a, b Reason) int { // the last rule first, as rules may go
		return cmp.Or(a.Netpol.Compare(b.Netpol), -cmp.Compare(a.Rule, b.Rule))
	})
	rules = slices.Compact(rules)
	f.leaveOut(d, side.Peer, rules)
	f.edit(Fix{Kind: FixPorts, Direction: d, Rules: rules}, f.withoutPorts)
	f.edit(Fix{Kind: FixRemove, Direction: d, Rules: rules}, func(n *cluster.Draft, r Reason) bool {
		n.RemoveRule(d, r.Rule)
		return true
	})
}

func (f *fixer) leaveOut(d cluster.Direction, peer Peer, rules []Reason) {
	if peer.Workload == nil {
		f.edit(Fix{Kind: FixLeaveOut, Direction: d, Rules: rules}, func(n *cluster.Draft, r Reason) bool {
			return n.LeaveOutAddresses(d, r.Rule, peer.CIDR)
		})
		return
	}
	for _, key := range slices.Sorted(maps.Keys(peer.Workload.Labels)) {
		if selector.IsGenerated(key) {
			continue // it would hold until the next rollout
		}
		value := peer.Workload.Labels[key]
		f.edit(Fix{Kind: FixLeaveOut, Direction: d, Key: key, Value: value, Rules: rules}, func(n *cluster.Draft, r Reason) bool {
			return n.LeaveOutPods(d, r.Rule, key, value)
		})
	}
}

// edit makes one candidate of the same edit of every rule.
func (f *fixer) edit(c Fix, change func(*cluster.Draft, Reason) bool) {
	drafts := map[cluster.Ref]*cluster.Draft{}
	for _, r := range c.Rules {
		draft, ok := drafts[r.Netpol]
		if !ok {
			n, found := f.snapshot.Netpol(r.Netpol.Namespace, r.Netpol.Name)
			if !found {
				return
			}
			if draft, ok = n.Draft(); !ok {
				return
			}
			drafts[r.Netpol] = draft
			c.Netpols = append(c.Netpols, draft)
		}
		if n, ok := f.snapshot.Netpol(r.Netpol.Namespace, r.Netpol.Name); ok {
			c.Everybody = c.Everybody || len(n.Rules[c.Direction][r.Rule].Peers) == 0
		}
		if !change(draft, r) {
			return
		}
	}
	f.found = append(f.found, c)
}

// withoutPorts takes the asked ports out of a rule; a rule whose names stand for
// different ports on different pods stays as it is.
func (f *fixer) withoutPorts(draft *cluster.Draft, r Reason) bool {
	n, _ := f.snapshot.Netpol(r.Netpol.Namespace, r.Netpol.Name)
	rule := &n.Rules[r.Direction][r.Rule]
	if slices.ContainsFunc(rule.Ports, func(p cluster.NetpolPort) bool { return p.Name != "" }) {
		return false
	}
	ports, _ := portsOf(rule, nil)
	left := ports.Subtract(f.ports)
	if left.Empty() {
		return false // that is to remove it
	}
	var list []cluster.NetpolPort
	for _, x := range left.Ranges() {
		list = append(list, cluster.NetpolPort{Protocol: x.Protocol, First: x.First, Last: x.Last})
	}
	draft.SetPorts(r.Direction, r.Rule, list)
	return true
}

// isolate drafts a netpol for a side that none isolates; it lets through the
// workloads that get through today, but for the other end of the path.
func (f *fixer) isolate(d cluster.Direction, side SideExplanation) {
	w := side.Subject.Workload
	if len(w.Labels) == 0 {
		return
	}
	name := fmt.Sprintf("%s-%s", w.Name, d)
	if _, taken := f.snapshot.Netpol(w.Namespace, name); taken {
		return
	}
	draft := cluster.Isolating(w.Namespace, name, w.Labels, d)
	e := newEvaluator(f.snapshot, f.options)
	kept := 0
	for p := range f.snapshot.AllWorkloads() {
		if p == w || p == side.Peer.Workload || len(p.Labels) == 0 {
			continue
		}
		from, to := p.Variants, w.Variants
		if d == cluster.Egress {
			from, to = to, from
		}
		if e.between(from, to).possible.Empty() {
			continue
		}
		if kept++; kept > maxFixKept {
			return // a netpol with more rules than that is nobody's fix
		}
		draft.Allow(d, p.Namespace, p.Labels)
	}
	f.found = append(f.found, Fix{Kind: FixIsolate, Direction: d, Netpols: []*cluster.Draft{draft}})
}

// try makes the edit on a copy, and says whether it shuts the path; it counts the
// other connections that are there no more.
func (f *fixer) try(c *Fix) bool {
	var changes []cluster.Change
	for _, draft := range c.Netpols {
		n, err := draft.Compile()
		if err != nil {
			return false
		}
		change := cluster.Change{After: n}
		if was, ok := f.snapshot.Netpol(n.Namespace, n.Name); ok {
			change.Before = was
		}
		changes = append(changes, change)
	}
	fixed, err := f.snapshot.Apply(changes...)
	if err != nil || Explain(fixed, f.from, f.to, f.ports, f.options).Verdict != VerdictBlocked {
		return false
	}
	c.Lost = f.lost(fixed)
	c.Cost = len(c.Lost)
	return f.options.Interrupted == nil || !f.options.Interrupted()
}

// lost are the other connections that are there no more.
func (f *fixer) lost(fixed *cluster.Snapshot) []Connection {
	return slices.DeleteFunc(Missing(f.snapshot, fixed, f.options), f.asked)
}

// asked reports whether a connection is part of the path that is to be shut.
func (f *fixer) asked(c Connection) bool {
	return partOf(c.From, f.from) && partOf(c.To, f.to) && c.Ports.Subtract(f.ports).Empty()
}

func partOf(p, whole Peer) bool {
	if p.Workload != nil || whole.Workload != nil {
		return p.Workload == whole.Workload
	}
	return whole.CIDR.Overlaps(p.CIDR) && whole.CIDR.Bits() <= p.CIDR.Bits()
}

// Missing lists the connections of a snapshot that another one with the same pods,
// templates and namespaces has not, those with the outside among them, sorted.
func Missing(from, in *cluster.Snapshot, o Options) []Connection {
	out := missing(from, in, Query{From: Everyone(), To: Everyone()}, o)
	for _, block := range Anywhere() {
		out = append(out, missing(from, in, Query{From: Everyone(), To: Selection{Block: block}}, o)...)
		out = append(out, missing(from, in, Query{From: Selection{Block: block}, To: Everyone()}, o)...)
	}
	slices.SortStableFunc(out, compareConnections)
	return out
}
