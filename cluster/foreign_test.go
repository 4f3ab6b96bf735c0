package cluster_test

import (
	"testing"

	"github.com/podcullis/podcullis/cluster"
)

// What the kinds can do, by group and kind: "o" opens, "r" restricts, "-" says
// nothing, "" is no policy of another API.
func TestForeignKinds(t *testing.T) {
	for _, tt := range []struct{ group, kind, can string }{
		{"cilium.io", "CiliumNetworkPolicy", "or"},
		{"policy.networking.k8s.io", "ClusterNetworkPolicy", "or"},
		{"policy.networking.k8s.io", "BaselineAdminNetworkPolicy", "r"},
		{"security.istio.io", "AuthorizationPolicy", "r"},
		{"networking.gke.io", "FQDNNetworkPolicy", "or"},
		{"networking.k8s.aws", "ApplicationNetworkPolicy", "or"},
		{"networking.k8s.aws", "ClusterNetworkPolicy", "or"},
		{"networking.k8s.aws", "PolicyEndpoint", "-"},
		{"nsx.vmware.com", "SecurityPolicy", "or"},
		{"k8s.ovn.org", "EgressFirewall", "r"},
		{"projectcalico.org", "Tier", "r"},
		{"projectcalico.org", "StagedNetworkPolicy", "-"},
		{"crd.projectcalico.org", "StagedGlobalNetworkPolicy", "-"},
		{"crd.projectcalico.org", "StagedKubernetesNetworkPolicy", "-"},
		{"k8s.cni.cncf.io", "MultiNetworkPolicy", "-"},
		// By shape: whoever made it, it may do anything.
		{"example.org", "CiliumNetworkPolicy", "or"},
		{"network.alibabacloud.com", "GlobalNetworkPolicy", "or"},
		{"example.org", "StagedNetworkPolicy", "or"},
		{"example.org", "NetworkPolicy", "or"},
		// No policies of another API.
		{"networking.k8s.io", "NetworkPolicy", ""},
		{"extensions", "NetworkPolicy", ""},
		{"apps", "FooNetworkPolicy", ""},
		{"", "NetworkPolicy", ""},
		{"example.org", "NetworkPolicyReport", ""},
		{"example.org", "CiliumNetworkPolicyList", ""},
		{"gateway.envoyproxy.io", "SecurityPolicy", ""},
		{"kyverno.io", "ClusterPolicy", ""},
	} {
		got := ""
		if k, ok := cluster.ForeignKindOf(tt.group, tt.kind); ok {
			got = "-"
			if k.Matters() {
				got = ""
			}
			if k.Opens {
				got += "o"
			}
			if k.Restricts {
				got += "r"
			}
		}
		f := &cluster.Foreign{Group: tt.group, Kind: tt.kind}
		if got != tt.can {
			t.Errorf("%s of %s: %q, want %q", tt.kind, tt.group, got, tt.can)
		}
		if opens, counts := f.Opens(), cluster.IsForeign(tt.group, tt.kind); opens != (tt.can == "or") || counts != (tt.can == "or" || tt.can == "r") {
			t.Errorf("%s of %s: opens %v, counts %v", tt.kind, tt.group, opens, counts)
		}
	}
}

func TestForeignTableIsInOrder(t *testing.T) {
	seen := map[[2]string]bool{}
	for _, k := range cluster.ForeignKinds() {
		if seen[[2]string{k.Group, k.Kind}] || k.Group == "" || k.Kind == "" || k.Resource == "" {
			t.Errorf("%s of %s: twice, or without its resource", k.Kind, k.Group)
		}
		seen[[2]string{k.Group, k.Kind}] = true
	}
}

func TestWhomAForeignObjectRestricts(t *testing.T) {
	for name, tt := range map[string]struct {
		foreign cluster.Foreign
		shop    bool
	}{
		"ItsOwnNamespace":           {cluster.Foreign{Group: "cilium.io", Kind: "CiliumNetworkPolicy", Namespace: "shop"}, true},
		"AnotherNamespace":          {cluster.Foreign{Group: "cilium.io", Kind: "CiliumNetworkPolicy", Namespace: "bank"}, false},
		"TheWholeCluster":           {cluster.Foreign{Group: "cilium.io", Kind: "CiliumClusterwideNetworkPolicy"}, true},
		"TheRootOfAMesh":            {cluster.Foreign{Group: "security.istio.io", Kind: "PeerAuthentication", Namespace: "istio-system"}, true},
		"AnotherAPIInThatRoot":      {cluster.Foreign{Group: "cilium.io", Kind: "CiliumNetworkPolicy", Namespace: "istio-system"}, false},
		"OneOfAnyNamespaceAboutAll": {cluster.Foreign{Group: "consul.hashicorp.com", Kind: "ServiceIntentions", Namespace: "bank"}, true},
		"OneThatSaysNothing":        {cluster.Foreign{Group: "projectcalico.org", Kind: "StagedNetworkPolicy", Namespace: "shop"}, false},
		"NobodyMayRead":             {cluster.Foreign{Group: "example.org", Kind: "FooNetworkPolicy", Name: cluster.UnreadForeign}, true},
	} {
		if got := tt.foreign.Restricts("shop"); got != tt.shop {
			t.Errorf("%s: restricts shop %v, want %v", name, got, tt.shop)
		}
	}
}
