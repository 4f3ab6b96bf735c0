package doctor

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// manyPorts is from how many ports on a rule is wide in ports.
const manyPorts = 1000

// usuallyEverywhere are the namespaces whose pods are let through to everybody by nature, as
// the guardrail has them where it is not told others.
func usuallyEverywhere() metav1.LabelSelector {
	return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
		Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: []string{"kube-system", "ingress-nginx", "monitoring"},
	}}}
}

// wide answers which netpols let through more than anybody needs. It is the guardrail
// least-privilege with the parameters that it has where none are set.
func (f *Facts) wide() []Answer {
	if blind, ok := f.blind("Which NetworkPolicies are wider than needed", "networkpolicies", "namespaces", "pods"); ok {
		return blind
	}
	rules, n := 0, 0
	var lines []string
	for netpol := range f.Snapshot.AllNetpols() {
		n++
		wide := Wide(f.Snapshot, netpol)
		rules += len(wide)
		lines = append(lines, wide...)
	}
	if rules == 0 {
		return []Answer{{Status: OK, Text: fmt.Sprintf("None of %s lets through what is known to be more than needed", count(n, "NetworkPolicy"))}}
	}
	return []Answer{{
		Status: Warning, Text: count(rules, "rule") + " of NetworkPolicies let through what nobody needs", Evidence: listed(lines),
		Mend: "name who is needed, and the ports that are served: `podcullis suggest` prints such NetworkPolicies; the guardrail least-privilege keeps it so",
	}}
}

// Wide are the rules of a netpol that let through more than is needed, a line each.
func Wide(s *cluster.Snapshot, n *cluster.Netpol) []string {
	usual, err := selector.New(usuallyEverywhere())
	if err != nil { // it is a constant
		panic(err)
	}
	q := connectivity.WideQuery{
		Directions: []cluster.Direction{cluster.Ingress, cluster.Egress}, ManyPorts: manyPorts,
		Except: []connectivity.Selection{{Namespaces: usual, Pods: selector.Everything()}},
	}
	var out []string
	for _, r := range connectivity.Widened(nil, nil, s, n, q, connectivity.Options{}) {
		if line := needless(n, r); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// needless says what a rule lets through without need; empty where all may be needed.
func needless(n *cluster.Netpol, r connectivity.WideRule) string {
	if r.Direction == cluster.Egress && asksForNames(r.Through) {
		return ""
	}
	callers := r.Known && len(r.Others) > 0 && !r.Shown.Empty()
	var whom, needs []string
	if r.Namespaces && callers {
		whom = append(whom, "every namespace")
	}
	if r.Addresses && callers && r.Direction == cluster.Ingress {
		whom = append(whom, "all addresses")
	}
	if len(whom) > 0 {
		needs = append(needs, brief(r.Others))
	}
	if r.Ports && !r.Shown.Empty() {
		whom = append(whom, r.Through.String())
		needs = append(needs, r.Shown.String())
	}
	if len(whom) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s rule %d: %s; needed: %s", n.Ref(), r.Direction, r.Rule+1, strings.Join(whom, " and "), strings.Join(needs, ", "))
}

// asksForNames is what every pod may do.
func asksForNames(p connectivity.PortSet) bool {
	ranges := p.Ranges()
	return len(ranges) > 0 && !slices.ContainsFunc(ranges, func(r connectivity.PortRange) bool { return r.First != 53 || r.Last != 53 })
}

func brief(list []*cluster.Workload) string {
	const few = 3
	var names []string
	for _, w := range list[:min(few, len(list))] {
		names = append(names, w.Ref.String())
	}
	if n := len(list) - few; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), n)
	}
	return strings.Join(names, ", ")
}
