package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// explainPath answers FROM TO [PORT/PROTO].
func explainPath(s *cluster.Snapshot, args []string, o connectivity.Options) (connectivity.Explanation, error) {
	var none connectivity.Explanation
	from, err := findPeer(s, args[0])
	if err != nil {
		return none, err
	}
	to, err := findPeer(s, args[1])
	if err != nil {
		return none, err
	}
	if from.Workload == nil && to.Workload == nil {
		return none, hint(fmt.Errorf("%s and %s are both outside the cluster, where no NetworkPolicy has a say", args[0], args[1]), "name a workload for one of them")
	}
	asked := connectivity.AllPorts()
	if len(args) == 3 {
		if asked, err = parsePorts(args[2]); err != nil {
			return none, err
		}
	}
	return connectivity.Explain(s, from, to, asked, o), nil
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
		return connectivity.Peer{}, hint(fmt.Errorf("%q is neither namespace/name, namespace/Kind/name nor a CIDR", text), "%s", meant(text, there))
	case len(matches) == 0:
		return connectivity.Peer{}, hint(fmt.Errorf("no workload %s", text), "%s", meant(text, there))
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
		return connectivity.PortSet{}, hint(fmt.Errorf("%q is not a port", text), "write 5432, 5432/TCP or 8000-8080/UDP: 1 to 65535, and TCP, UDP or SCTP")
	}
	r.First, r.Last = uint16(a), uint16(b)
	return connectivity.Ports(r), nil
}
