package cluster

import (
	"slices"
	"strings"
)

// Foreign is an object of a policy API that the model does not understand, such
// as a CiliumNetworkPolicy. While one is there, what NetworkPolicies say is not
// the whole truth.
type Foreign struct {
	Group string
	Kind  string
	// Namespace is empty for an object that governs the whole cluster.
	Namespace string
	// Name is UnreadForeign for a kind of which nobody can say what there is.
	Name string
}

// UnreadForeign is the name of the object that stands for a kind which is there
// and cannot be read. No object has that name.
const UnreadForeign = "*"

// Ref implements Object. The kind carries the group, so that the NetworkPolicy
// of another API is not taken for that of networking.k8s.io.
func (f *Foreign) Ref() Ref {
	return Ref{Namespace: f.Namespace, Kind: f.Kind + "." + f.Group, Name: f.Name}
}

// Opens reports whether the API can open a path that NetworkPolicies leave
// blocked. One that only restricts (Istio's AuthorizationPolicy) cannot.
func (f *Foreign) Opens() bool {
	k, _ := ForeignKindOf(f.Group, f.Kind)
	return k.Opens
}

// Restricts reports whether the object can close, for the pods of a namespace,
// what NetworkPolicies leave open.
func (f *Foreign) Restricts(namespace string) bool {
	k, _ := ForeignKindOf(f.Group, f.Kind)
	return k.Restricts && f.governs(k, namespace)
}

// governs reports whether the object has a say about the pods of a namespace.
func (f *Foreign) governs(k ForeignKind, namespace string) bool {
	return f.Namespace == "" || f.Namespace == namespace || f.Namespace == k.Root || k.Root == "*"
}

// ForeignKind is what is known of a kind of another network policy API.
type ForeignKind struct {
	Group, Kind string
	// Resource is the plural by which it is served; empty for a kind that is known
	// by its shape only.
	Resource string
	// Namespaced kinds have a say about their own namespace, others about all.
	Namespaced bool
	// Root, where it is set, is a namespace whose objects have a say about all, or "*"
	// where those of any namespace have.
	Root string
	// Opens is set when an object can open what NetworkPolicies leave blocked,
	// Restricts when it can close what they leave open. A kind that does neither is
	// none to look for.
	Opens, Restricts bool
	// Shipped are objects that come with the network plugin and say nothing.
	Shipped []string
}

// Matters reports whether an object of the kind can make an answer unknown.
func (k ForeignKind) Matters() bool { return k.Opens || k.Restricts }

// Says reports whether an object of some name has anything to say.
func (k ForeignKind) Says(name string) bool { return k.Matters() && !slices.Contains(k.Shipped, name) }

// ForeignKinds is the table of policy kinds whose effect is known. The running
// model, the reader of files and the rights in the chart follow it.
func ForeignKinds() []ForeignKind {
	var out []ForeignKind
	add := func(group string, kinds ...ForeignKind) {
		for _, k := range kinds {
			k.Group = group
			out = append(out, k)
		}
	}
	// SIG Network. A baseline is asked only where no NetworkPolicy isolates, so it
	// opens nothing; a ClusterNetworkPolicy may be of either tier.
	add("policy.networking.k8s.io",
		both("AdminNetworkPolicy", "adminnetworkpolicies"),
		restricting("BaselineAdminNetworkPolicy", "baselineadminnetworkpolicies"),
		both("ClusterNetworkPolicy", "clusternetworkpolicies"))
	add("cilium.io",
		both("CiliumNetworkPolicy", "ciliumnetworkpolicies").namespaced(),
		both("CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies"))
	add("isovalent.com",
		both("IsovalentNetworkPolicy", "isovalentnetworkpolicies").namespaced(),
		both("IsovalentClusterwideNetworkPolicy", "isovalentclusterwidenetworkpolicies"))
	// Calico. What is staged is only reported about. A tier drops what its policies
	// select and do not let through; those that ship hold none, or what is listed here.
	for _, group := range []string{"crd.projectcalico.org", "projectcalico.org"} {
		add(group,
			both("NetworkPolicy", "networkpolicies").namespaced(),
			both("GlobalNetworkPolicy", "globalnetworkpolicies"),
			restricting("Tier", "tiers").shipped("default", "adminnetworkpolicy", "baselineadminnetworkpolicy", "kube-admin", "kube-baseline"),
			nothing("StagedNetworkPolicy", "stagednetworkpolicies").namespaced(),
			nothing("StagedGlobalNetworkPolicy", "stagedglobalnetworkpolicies"),
			nothing("StagedKubernetesNetworkPolicy", "stagedkubernetesnetworkpolicies").namespaced())
	}
	// Antrea. A tier only orders; the control plane's are computed from all others.
	add("crd.antrea.io",
		both("NetworkPolicy", "networkpolicies").namespaced(),
		both("ClusterNetworkPolicy", "clusternetworkpolicies"),
		nothing("Tier", "tiers"))
	add("controlplane.antrea.io", nothing("NetworkPolicy", "networkpolicies"))
	// AWS. A PolicyEndpoint is what its controller makes of the others.
	add("networking.k8s.aws",
		both("ApplicationNetworkPolicy", "applicationnetworkpolicies").namespaced(),
		both("ClusterNetworkPolicy", "clusternetworkpolicies"),
		nothing("PolicyEndpoint", "policyendpoints").namespaced(),
		nothing("ClusterPolicyEndpoint", "clusterpolicyendpoints"))
	add("vpcresources.k8s.aws", restricting("SecurityGroupPolicy", "securitygrouppolicies").namespaced())
	add("networking.gke.io", both("FQDNNetworkPolicy", "fqdnnetworkpolicies").namespaced())
	// OVN-Kubernetes and OpenShift. EgressQoS marks packets; a NetNamespace is a number
	// wherever NetworkPolicies are enforced.
	add("k8s.ovn.org",
		restricting("EgressFirewall", "egressfirewalls").namespaced(),
		nothing("EgressQoS", "egressqoses").namespaced())
	add("network.openshift.io",
		restricting("EgressNetworkPolicy", "egressnetworkpolicies").namespaced(),
		nothing("NetNamespace", "netnamespaces"))
	add("ingressnodefirewall.openshift.io", restricting("IngressNodeFirewall", "ingressnodefirewalls"))
	for _, group := range []string{"nsx.vmware.com", "crd.nsx.vmware.com"} {
		add(group, both("SecurityPolicy", "securitypolicies").namespaced())
	}
	add("security.everoute.io",
		both("SecurityPolicy", "securitypolicies").namespaced(),
		both("GlobalPolicy", "globalpolicies"))
	add("kubeovn.io", both("SecurityGroup", "security-groups"))
	// Meshes stand between two ends that may talk: they open nothing.
	add("security.istio.io",
		restricting("AuthorizationPolicy", "authorizationpolicies").namespaced().root("istio-system"),
		restricting("PeerAuthentication", "peerauthentications").namespaced().root("istio-system"))
	add("policy.linkerd.io",
		restricting("Server", "servers").namespaced(),
		restricting("ServerAuthorization", "serverauthorizations").namespaced(),
		restricting("AuthorizationPolicy", "authorizationpolicies").namespaced(),
		restricting("EgressNetwork", "egressnetworks").namespaced().root("linkerd-egress"))
	add("kuma.io",
		restricting("MeshTrafficPermission", "meshtrafficpermissions").namespaced().root("kuma-system"),
		restricting("TrafficPermission", "trafficpermissions"))
	add("consul.hashicorp.com", restricting("ServiceIntentions", "serviceintentions").namespaced().root("*"))
	// Runtime security.
	add("neuvector.com",
		restricting("NvSecurityRule", "nvsecurityrules").namespaced(),
		restricting("NvClusterSecurityRule", "nvclustersecurityrules"))
	add("security.kubearmor.com",
		restricting("KubeArmorPolicy", "kubearmorpolicies").namespaced(),
		restricting("KubeArmorClusterPolicy", "kubearmorclusterpolicies"))
	// These are about other networks than the pods' first, or are made into NetworkPolicies.
	add("k8s.cni.cncf.io", nothing("MultiNetworkPolicy", "multi-networkpolicies").namespaced())
	add("management.cattle.io", nothing("ProjectNetworkPolicy", "projectnetworkpolicies").namespaced())
	return out
}

func both(kind, resource string) ForeignKind {
	return ForeignKind{Kind: kind, Resource: resource, Opens: true, Restricts: true}
}

func restricting(kind, resource string) ForeignKind {
	return ForeignKind{Kind: kind, Resource: resource, Restricts: true}
}

func nothing(kind, resource string) ForeignKind { return ForeignKind{Kind: kind, Resource: resource} }

func (k ForeignKind) namespaced() ForeignKind {
	k.Namespaced = true
	return k
}

func (k ForeignKind) root(namespace string) ForeignKind {
	k.Root = namespace
	return k
}

func (k ForeignKind) shipped(names ...string) ForeignKind {
	k.Shipped = names
	return k
}

// foreignTable finds the rows of ForeignKinds by group and kind.
var foreignTable = func() map[string]map[string]ForeignKind {
	out := map[string]map[string]ForeignKind{}
	for _, k := range ForeignKinds() {
		if out[k.Group] == nil {
			out[k.Group] = map[string]ForeignKind{}
		}
		out[k.Group][k.Kind] = k
	}
	return out
}()

// ForeignKindOf is what is known of a kind: its row of the table, or, of one that
// is a network policy by its name, that it may do anything. It is false for a kind
// that is no policy of another API.
func ForeignKindOf(group, kind string) (ForeignKind, bool) {
	if k, ok := foreignTable[group][kind]; ok {
		return k, true
	}
	if !NetworkPolicyByName(group, kind) {
		return ForeignKind{}, false
	}
	return ForeignKind{Group: group, Kind: kind, Opens: true, Restricts: true}, true
}

// NetworkPolicyByName reports whether a kind has the shape of a network policy:
// its name ends so, and it lives in a group for custom resources, which has a dot.
func NetworkPolicyByName(group, kind string) bool {
	return strings.HasSuffix(kind, "NetworkPolicy") && strings.Contains(group, ".") && group != "networking.k8s.io"
}

// IsForeign reports whether objects of a kind count as Foreign: it is a policy of
// another API, and not known to say nothing.
func IsForeign(group, kind string) bool {
	k, ok := ForeignKindOf(group, kind)
	return ok && k.Matters()
}

// ForeignGroup reports whether the table knows kinds of an API group.
func ForeignGroup(group string) bool { return len(foreignTable[group]) > 0 }
