package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// systemNamespaces are Kubernetes' own.
func systemNamespaces() []string { return []string{"kube-system", "kube-public", "kube-node-lease"} }

// isolation answers which namespaces leave a new pod open.
func (f *Facts) isolation() []Answer {
	if blind, ok := f.blind("Which namespaces have a default-deny", "networkpolicies", "namespaces", "pods"); ok {
		return blind
	}
	open := map[string][2]int{} // workloads that are not isolated
	for _, x := range connectivity.Isolated(f.Snapshot, connectivity.Everyone()) {
		n := open[x.Workload.Namespace]
		for d := range n {
			if x.Isolated[d] != selector.Yes {
				n[d]++
			}
		}
		open[x.Workload.Namespace] = n
	}
	var out []Answer
	for _, d := range []cluster.Direction{cluster.Ingress, cluster.Egress} {
		var lines []string
		inhabited := 0
		for ns := range f.Snapshot.Namespaces() {
			if slices.Contains(systemNamespaces(), ns.Name) {
				continue
			}
			workloads := 0
			for range f.Snapshot.Workloads(ns.Name) {
				workloads++
			}
			if workloads == 0 {
				continue
			}
			if inhabited++; denies(f.Snapshot.Netpols(ns.Name), d) {
				continue
			}
			line := fmt.Sprintf("%s: %d of %s not isolated", ns.Name, open[ns.Name][d], count(workloads, "workload"))
			if n := opener(f.Snapshot.Netpols(ns.Name), d); n != nil {
				line += fmt.Sprintf("; NetworkPolicy %s isolates all pods and lets everybody through, which is no default-deny", n.Name)
			}
			if other := f.otherIn(ns.Name); other != "" {
				line += "; " + other + " may"
			}
			lines = append(lines, line)
		}
		direction := map[cluster.Direction]string{cluster.Ingress: "be reached by anybody", cluster.Egress: "reach anybody"}[d]
		switch {
		case inhabited == 0:
			return []Answer{{Status: OK, Text: "There is no workload outside of " + strings.Join(systemNamespaces(), ", ")}}
		case len(lines) == 0:
			out = append(out, Answer{Status: OK, Text: fmt.Sprintf("All namespaces with workloads have a default-deny for %s (%d)", d, inhabited)})
		default:
			out = append(out, Answer{
				Status: Warning, Text: fmt.Sprintf("No default-deny for %s in %d of %s with workloads: a pod that no NetworkPolicy selects can %s", d, len(lines), count(inhabited, "namespace"), direction),
				Evidence: listed(lines), Mend: "give each a NetworkPolicy with podSelector {} and policyTypes [Ingress, Egress]; the guardrail default-deny keeps it so",
			})
		}
	}
	return out
}

// denies tells whether a netpol isolates whatever pod comes, and none lets everybody through.
func denies(netpols []*cluster.Netpol, d cluster.Direction) bool {
	isolates := slices.ContainsFunc(netpols, func(n *cluster.Netpol) bool { return n.Isolates[d] && n.Selector.SelectsAll() })
	return isolates && opener(netpols, d) == nil
}

// opener is a netpol that lets everybody through to whatever pod comes, or from it. Netpols add
// up: beside it a default-deny is worth nothing.
func opener(netpols []*cluster.Netpol, d cluster.Direction) *cluster.Netpol {
	at := slices.IndexFunc(netpols, func(n *cluster.Netpol) bool {
		return n.Isolates[d] && n.Selector.SelectsAll() && slices.ContainsFunc(n.Rules[d], func(r cluster.NetpolRule) bool {
			return r.AnyPort && (r.AnyPeer || slices.ContainsFunc(r.Peers, everybody))
		})
	})
	if at < 0 {
		return nil
	}
	return netpols[at]
}

// everybody tells a peer that is every pod of the cluster, or every address of a family.
func everybody(p cluster.NetpolPeer) bool {
	switch {
	case p.Broken:
		return false
	case p.Block != nil:
		return p.Block.Prefix.Bits() == 0 && len(p.Block.Except) == 0
	}
	return !p.OwnNamespace && p.Namespaces.SelectsAll() && p.Pods.SelectsAll()
}

// otherIn names a policy of another API that can isolate the pods of a namespace.
func (f *Facts) otherIn(namespace string) string {
	var names []string
	for o := range f.Snapshot.Foreign() {
		if o.Restricts(namespace) {
			names = append(names, o.Ref().Kind+" "+o.Name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// hostNetwork answers who is beyond netpols.
func (f *Facts) hostNetwork() []Answer {
	if blind, ok := f.blind("Which pods are on their node's network", "pods"); ok {
		return blind
	}
	var meant, others []string
	system := 0
	for w := range f.Snapshot.AllWorkloads() {
		if !slices.ContainsFunc(w.Variants, func(v *cluster.Variant) bool { return v.HostNetwork }) {
			continue
		}
		name := fmt.Sprintf("%s/%s/%s", w.Namespace, w.KindText(), w.Name)
		var by []string
		for _, n := range f.Snapshot.Netpols(w.Namespace) {
			if !n.Selector.SelectsAll() && slices.ContainsFunc(w.Variants, func(v *cluster.Variant) bool { return v.HostNetwork && v.Matches(n.Selector) == selector.Yes }) {
				by = append(by, n.Name)
			}
		}
		switch {
		case len(by) > 0:
			meant = append(meant, fmt.Sprintf("%s, which NetworkPolicy %s selects to no effect", name, strings.Join(by, ", ")))
		case slices.Contains(systemNamespaces(), w.Namespace):
			system++
		default:
			others = append(others, name)
		}
	}
	var out []Answer
	if len(meant) > 0 {
		out = append(out, Answer{
			Status: Warning, Text: fmt.Sprintf("%s on the node's network, and selected by a NetworkPolicy, which says nothing there", count(len(meant), "workload")),
			Evidence: listed(meant), Mend: "take hostNetwork away if the NetworkPolicy is meant; what is on a node's network is told from the node by nobody",
		})
	}
	if len(others) > 0 {
		out = append(out, Answer{
			Status: Warning, Text: fmt.Sprintf("%s on the node's network, outside of Kubernetes' own namespaces", count(len(others), "workload")),
			Evidence: listed(others), Mend: "take hostNetwork away where it is not needed: such a pod is reached and reaches others as its node does",
		})
	}
	if len(out) == 0 {
		out = []Answer{{Status: OK, Text: fmt.Sprintf("None outside of Kubernetes' own namespaces; %s there", count(system, "workload"))}}
	}
	return out
}
