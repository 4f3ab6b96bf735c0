package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

// explainPath answers FROM TO [PORT/PROTO].
func explainPath(s *cluster.Snapshot, args []string) (report.Explanation, error) {
	e := report.Explanation{Asked: connectivity.AllPorts()}
	var err error
	if e.From, err = findPeer(s, args[0]); err != nil {
		return e, err
	}
	if e.To, err = findPeer(s, args[1]); err != nil {
		return e, err
	}
	switch {
	case e.From.Workload == nil && e.To.Workload == nil:
		return e, hint(fmt.Errorf("%s and %s are both outside the cluster, where no NetworkPolicy has a say", args[0], args[1]), "name a workload for one of them")
	case e.From.Workload != nil && e.From.Workload == e.To.Workload:
		return e, hint(fmt.Errorf("FROM and TO are the same workload, %s: a pod always reaches itself, and connections between its replicas are not explained", e.From), "name two different workloads")
	}
	if len(args) == 3 {
		if e.Asked, err = parsePorts(args[2]); err != nil {
			return e, err
		}
	}
	if e.Connections, err = between(s, e); err != nil {
		return e, err
	}
	e.Verdict = report.VerdictOf(e.Connections)
	for _, d := range []cluster.Direction{cluster.Egress, cluster.Ingress} {
		subject := e.From
		if d == cluster.Ingress {
			subject = e.To
		}
		if subject.Workload == nil {
			continue
		}
		side := report.Side{Direction: d, Workload: subject.Workload, Isolation: connectivity.IsolationOf(s, subject.Workload).By[d]}
		alone, err := withoutOther(s, d)
		if err != nil {
			return e, err
		}
		if side.Connections, err = between(alone, e); err != nil {
			return e, err
		}
		side.Verdict = report.VerdictOf(side.Connections)
		e.Sides = append(e.Sides, side)
	}
	return e, nil
}

// withoutOther is the cluster in which netpols govern one direction only, so
// that what is open there is what that side says.
func withoutOther(s *cluster.Snapshot, d cluster.Direction) (*cluster.Snapshot, error) {
	other := cluster.Egress + cluster.Ingress - d
	var changes []cluster.Change
	for ns := range s.Namespaces() {
		for _, n := range s.Netpols(ns.Name) {
			one := *n
			one.Isolates[other], one.Rules[other] = false, nil
			changes = append(changes, cluster.Change{Before: n, After: &one})
		}
	}
	return s.Apply(changes...)
}

// between lists the connections of one pair.
func between(s *cluster.Snapshot, e report.Explanation) ([]connectivity.Connection, error) {
	from, err := selectionOf(e.From)
	if err != nil {
		return nil, err
	}
	to, err := selectionOf(e.To)
	if err != nil {
		return nil, err
	}
	all := connectivity.Open(s, connectivity.Query{From: from, To: to, Ports: e.Asked}, connectivity.Options{})
	return slices.DeleteFunc(all, func(c connectivity.Connection) bool {
		return !isPeer(c.From, e.From) || !isPeer(c.To, e.To)
	}), nil
}

func isPeer(p, asked connectivity.Peer) bool {
	return asked.Workload == nil || p.Workload.Ref == asked.Workload.Ref
}

// selectionOf chooses a peer, and perhaps others of its namespace.
func selectionOf(p connectivity.Peer) (connectivity.Selection, error) {
	if p.Workload == nil {
		return connectivity.Selection{Block: p.CIDR}, nil
	}
	namespace, err := cluster.NewSelector(metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": p.Workload.Namespace}})
	return connectivity.Selection{Namespaces: namespace, Pods: cluster.Everything()}, err
}

// findPeer reads namespace/name, namespace/Kind/name or a CIDR.
func findPeer(s *cluster.Snapshot, text string) (connectivity.Peer, error) {
	if block, err := netip.ParsePrefix(text); err == nil {
		return connectivity.Peer{CIDR: block.Masked()}, nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return connectivity.Peer{CIDR: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	var matches, there []*cluster.Workload
	parts := strings.Split(text, "/")
	for w := range s.AllWorkloads() {
		there = append(there, w)
		switch {
		case len(parts) == 2 && w.Namespace == parts[0] && w.Name == parts[1],
			len(parts) == 3 && w.Namespace == parts[0] && strings.EqualFold(w.Kind, parts[1]) && w.Name == parts[2]:
			matches = append(matches, w)
		case len(parts) == 2 || len(parts) == 3:
			// A pod of a workload stands for that workload.
			if owner, ok := s.WorkloadOf(cluster.Ref{Namespace: parts[0], Kind: "Pod", Name: parts[len(parts)-1]}); ok && owner == w && (len(parts) == 2 || strings.EqualFold(parts[1], "Pod")) {
				matches = append(matches, w)
			}
		}
	}
	switch {
	case len(parts) != 2 && len(parts) != 3:
		return connectivity.Peer{}, hint(fmt.Errorf("%q is neither namespace/name, namespace/Kind/name nor a CIDR", text), "there are: %s", listed(there))
	case len(matches) == 0:
		return connectivity.Peer{}, hint(fmt.Errorf("no workload %s in the manifests", text), "there are: %s", listed(there))
	case len(matches) > 1:
		return connectivity.Peer{}, hint(fmt.Errorf("%s is ambiguous: %s", text, listed(matches)), "name it as namespace/Kind/name")
	}
	return connectivity.Peer{Workload: matches[0]}, nil
}

const maxListed = 20

func listed(all []*cluster.Workload) string {
	var names []string
	for i, w := range all {
		if i == maxListed {
			names = append(names, fmt.Sprintf("and %d more", len(all)-maxListed))
			break
		}
		names = append(names, w.Ref.String())
	}
	if len(names) == 0 {
		return "no workloads"
	}
	return strings.Join(names, ", ")
}

// parsePorts reads 5432, 5432/TCP or 8000-8080/UDP.
func parsePorts(text string) (connectivity.PortSet, error) {
	numbers, name, named := strings.Cut(text, "/")
	r := connectivity.PortRange{Protocol: cluster.TCP}
	ok := true
	if named {
		r.Protocol, ok = cluster.ParseProtocol(strings.ToUpper(name))
	}
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	a, errFirst := strconv.ParseUint(first, 10, 16)
	b, errLast := strconv.ParseUint(last, 10, 16)
	if !ok || errFirst != nil || errLast != nil || a < 1 || a > b {
		return connectivity.PortSet{}, hint(fmt.Errorf("%q is no port", text), "write 5432, 5432/TCP or 8000-8080/UDP: 1 to 65535, and TCP, UDP or SCTP")
	}
	r.First, r.Last = uint16(a), uint16(b)
	return connectivity.Ports(r), nil
}
