package connectivity

import (
	"strings"

	"github.com/podcullis/podcullis/cluster"
)

// ChoosesSomebody reports whether the selection chooses a workload that there is, or
// addresses. Where it leaves the pods open, a namespace without workloads will do:
// whoever comes into it is chosen.
func (s Selection) ChoosesSomebody(snapshot *cluster.Snapshot) bool {
	if s.external() || s.Namespaces.SelectsAll() && s.Pods.SelectsAll() {
		return true
	}
	for _, members := range snapshot.SelectNamespaces(s.Namespaces) {
		if s.Pods.SelectsAll() || len(s.positions(members)) > 0 {
			return true
		}
	}
	return false
}

// Workloads yields the workloads that the selection chooses, some of them more than once.
func (s Selection) Workloads(snapshot *cluster.Snapshot, yield func(*cluster.Workload)) {
	if s.external() {
		return
	}
	for _, members := range snapshot.SelectNamespaces(s.Namespaces) {
		variants := members.Variants()
		for _, at := range s.positions(members) {
			yield(variants[at].Workload)
		}
	}
}

// String is the selection in the words of a question: "namespaceSelector team=a,
// podSelector tier=db". What selects all is left out.
func (s Selection) String() string {
	if s.external() {
		return "cidr " + s.Block.String()
	}
	var words []string
	if !s.Namespaces.SelectsAll() {
		words = append(words, "namespaceSelector "+s.Namespaces.String())
	}
	if !s.Pods.SelectsAll() {
		words = append(words, "podSelector "+s.Pods.String())
	}
	return strings.Join(words, ", ")
}
