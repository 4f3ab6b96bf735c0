// Package enforcer makes a test node obey NetworkPolicies: it watches Namespaces, Pods and
// NetworkPolicies and turns them into nftables rules, as a network plugin does.
//
// It is what Podcullis' answers are compared with, so it reads NetworkPolicies on its own: it imports
// nothing of cluster or connectivity, and judges pod by pod and rule by rule, with no thought for
// speed. It follows the Kubernetes API reference (networking.k8s.io/v1 NetworkPolicy) and, where that
// leaves a choice, upstream's conformance tests: an ipBlock that holds a pod's address lets that pod
// through.
//
// It knows IPv4 alone, and no pods on the host's network. What a pod says to its own node is subject to
// the pod's egress rules; what a node says to its pods always passes.
package enforcer
