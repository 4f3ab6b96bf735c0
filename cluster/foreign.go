package cluster

// Foreign is an object of a policy API that the model does not understand, such
// as a CiliumNetworkPolicy. While one is there, what NetworkPolicies leave
// blocked is not proved blocked.
type Foreign struct {
	Group string
	Kind  string
	// Namespace is empty for an object that governs the whole cluster.
	Namespace string
	Name      string
}

// Ref implements Object. The kind carries the group, so that the NetworkPolicy
// of another API is not taken for that of networking.k8s.io.
func (f *Foreign) Ref() Ref {
	return Ref{Namespace: f.Namespace, Kind: f.Kind + "." + f.Group, Name: f.Name}
}

// Opens reports whether the API can open a path that NetworkPolicies leave
// blocked. One that only restricts (Istio's AuthorizationPolicy) cannot.
func (f *Foreign) Opens() bool { return foreignKinds[f.Group][f.Kind] }

// Restricts reports whether the object can close, for the pods of a namespace,
// what NetworkPolicies leave open. Each of the kinds can.
func (f *Foreign) Restricts(namespace string) bool {
	// A policy in Istio's root namespace is about the whole mesh.
	mesh := f.Group == "security.istio.io" && f.Namespace == "istio-system"
	return f.Namespace == "" || f.Namespace == namespace || mesh
}

// foreignKinds are the policy kinds known by group and kind; true for those
// that can open a path.
var foreignKinds = map[string]map[string]bool{
	"policy.networking.k8s.io": {"ClusterNetworkPolicy": true, "AdminNetworkPolicy": true, "BaselineAdminNetworkPolicy": true},
	"cilium.io":                {"CiliumNetworkPolicy": true, "CiliumClusterwideNetworkPolicy": true},
	"crd.projectcalico.org":    {"NetworkPolicy": true, "GlobalNetworkPolicy": true},
	"projectcalico.org":        {"NetworkPolicy": true, "GlobalNetworkPolicy": true},
	"crd.antrea.io":            {"NetworkPolicy": true, "ClusterNetworkPolicy": true},
	"security.istio.io":        {"AuthorizationPolicy": false},
}

// ForeignKind reports whether a group and kind is a policy API that the model
// knows of but does not understand.
func ForeignKind(group, kind string) bool {
	_, known := foreignKinds[group][kind]
	return known
}

// ForeignGroup reports whether an API group holds such kinds.
func ForeignGroup(group string) bool { return len(foreignKinds[group]) > 0 }
