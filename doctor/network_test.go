package doctor_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/doctor"
)

// factsOf are those of a running cluster that holds what a file says and some more manifests.
func factsOf(t *testing.T, file string, more ...string) doctor.Facts {
	t.Helper()
	in := manifest.Input{Aside: []schema.GroupKind{{Kind: "ConfigMap"}, {Kind: "Node"}}, Stored: true}
	if file != "" {
		in.Sources = []string{filepath.Join("testdata", "networks", file+".yaml")}
	}
	for _, m := range more {
		in.Texts = append(in.Texts, manifest.Text{Name: "more.yaml", Data: []byte(m)})
	}
	in.Texts = append(in.Texts, manifest.Text{Name: "ns.yaml", Data: []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: shop}}\n")})
	set, err := manifest.Read(in)
	if err != nil {
		t.Fatal(err)
	}
	f := doctor.Facts{Of: "cluster test", Live: true}
	for i := range set.Objects {
		if d, ok := set.Objects[i].API.(*appsv1.DaemonSet); ok {
			f.DaemonSets = append(f.DaemonSets, d)
		}
	}
	for _, a := range set.Asides {
		switch a.Kind {
		case "ConfigMap":
			f.ConfigMaps = append(f.ConfigMaps, decoded[corev1.ConfigMap](t, a.JSON))
		case "Node":
			f.Nodes = append(f.Nodes, decoded[corev1.Node](t, a.JSON))
		}
	}
	if f.Snapshot, err = set.Snapshot(); err != nil {
		t.Fatal(err)
	}
	return f
}

func decoded[T any](t *testing.T, text []byte) *T {
	t.Helper()
	var o T
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	return &o
}

// section is a question's answers, a line each.
func section(f doctor.Facts, id string) []string {
	var out []string
	for _, s := range doctor.Examine(f).Sections {
		if s.ID != id {
			continue
		}
		for _, a := range s.Answers {
			out = append(out, string(a.Status)+": "+a.Text)
		}
	}
	return out
}

// Each network plugin is known by what its own charts and manifests make, and what it does by its
// own settings.
func TestNetworks(t *testing.T) {
	const ignores = " ignores NetworkPolicies: they block no packet"
	tests := map[string][]string{
		"cilium":                               {"ok: Cilium enforces NetworkPolicies"},
		"cilium-1.15":                          {"ok: Cilium enforces NetworkPolicies"},
		"cilium-never":                         {"problem: Cilium" + ignores},
		"cilium-audit-mode":                    {"problem: Cilium" + ignores},
		"cilium-no-netpols":                    {"problem: Cilium" + ignores},
		"gke-dataplane-v2":                     {"ok: GKE Dataplane V2 enforces NetworkPolicies", "ok: GKE, legacy dataplane enforces nothing itself, and need not"},
		"gke-legacy":                           {"problem: GKE, legacy dataplane" + ignores},
		"calico-manifest":                      {"ok: Calico enforces NetworkPolicies"},
		"calico-operator":                      {"ok: Calico enforces NetworkPolicies"},
		"calico-in-a-tenants-namespace":        {"not known: Whether Calico enforces NetworkPolicies is not known"},
		"calico-without-its-container":         {"not known: No network plugin that is known here was found, so whether NetworkPolicies are enforced is not known"},
		"calico-half":                          {"warning: Calico enforces NetworkPolicies, and not on every node"},
		"calico-down":                          {"problem: Calico is installed and does not run, so that it enforces nothing"},
		"rke2-canal":                           {"ok: Canal (flannel with Calico) enforces NetworkPolicies"},
		"canal":                                {"ok: Canal (flannel with Calico) enforces NetworkPolicies"},
		"antrea":                               {"ok: Antrea enforces NetworkPolicies"},
		"ovn-kubernetes-openshift":             {"ok: OVN-Kubernetes enforces NetworkPolicies"},
		"kube-router":                          {"ok: kube-router enforces NetworkPolicies"},
		"kube-router-routes-only":              {"problem: kube-router" + ignores},
		"kindnet":                              {"ok: kindnet enforces NetworkPolicies"},
		"kindnet-0.23":                         {"problem: kindnet" + ignores},
		"kindnet-between":                      {"not known: Whether kindnet enforces NetworkPolicies is not known"},
		"flannel":                              {"problem: flannel" + ignores},
		"flannel-down":                         {"problem: flannel" + ignores},
		"flannel-for-another-architecture":     {"ok: Calico enforces NetworkPolicies"},
		"flannel-netpol":                       {"ok: flannel enforces NetworkPolicies"},
		"flannel-beside-kube-router":           {"ok: kube-router enforces NetworkPolicies", "ok: flannel enforces nothing itself, and need not"},
		"flannel-beside-kube-network-policies": {"ok: kube-network-policies enforces NetworkPolicies", "ok: flannel enforces nothing itself, and need not"},
		"aws-on":                               {"ok: Amazon VPC CNI enforces NetworkPolicies"},
		"aws-off":                              {"problem: Amazon VPC CNI" + ignores},
		"aws-1.13":                             {"problem: Amazon VPC CNI" + ignores},
		"aws-with-calico":                      {"ok: Calico enforces NetworkPolicies", "ok: Amazon VPC CNI enforces nothing itself, and need not"},
		"azure-npm":                            {"ok: Azure Network Policy Manager enforces NetworkPolicies", "ok: Azure CNI enforces nothing itself, and need not"},
		"azure-none":                           {"problem: Azure CNI" + ignores},
		"azure-cilium":                         {"ok: Cilium enforces NetworkPolicies", "ok: Azure CNI enforces nothing itself, and need not"},
		"weave":                                {"ok: Weave Net enforces NetworkPolicies"},
		"weave-without-npc":                    {"problem: Weave Net" + ignores},
		"kube-ovn":                             {"ok: Kube-OVN enforces NetworkPolicies"},
		"k3s":                                  {"ok: k3s, embedded network policy controller enforces NetworkPolicies"},
		"k3s-off":                              {"problem: k3s, embedded network policy controller" + ignores},
		"k3s-agents-only":                      {"not known: Whether k3s, embedded network policy controller enforces NetworkPolicies is not known"},
		"k3s-with-cilium":                      {"ok: Cilium enforces NetworkPolicies", "ok: k3s, embedded network policy controller enforces nothing itself, and need not"},
		"unheard-of":                           {"not known: No network plugin that is known here was found, so whether NetworkPolicies are enforced is not known"},
	}
	files, err := os.ReadDir(filepath.Join("testdata", "networks"))
	if err != nil || len(files) != len(tests) {
		t.Errorf("%d files for %d tests: %v", len(files), len(tests), err)
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, section(factsOf(t, name), "network")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Every row of the table is met by a test, and says where it is from.
func TestNetworksHaveSources(t *testing.T) {
	for _, n := range doctor.Networks() {
		if !strings.HasPrefix(n.Source, "https://") || len(n.DaemonSets) == 0 || len(n.Namespaces) == 0 {
			t.Errorf("%s: source %q, DaemonSets %v in %v", n.Name, n.Source, n.DaemonSets, n.Namespaces)
		}
		for _, s := range n.Switches {
			if !strings.HasPrefix(s.Source, "https://") || s.Why == "" {
				t.Errorf("%s: switch %+v", n.Name, s)
			}
			if s.Then == doctor.No && n.Mend == "" {
				t.Errorf("%s can be switched off, and nothing says how to mend it", n.Name)
			}
		}
		if n.Enforces == doctor.No && n.Mend == "" {
			t.Errorf("%s: nothing says how to mend it", n.Name)
		}
		for feature, a := range n.Features {
			if a.Has != doctor.NotKnown && (!strings.HasPrefix(a.Source, "https://") || a.Why == "") {
				t.Errorf("%s: %s: %+v", n.Name, feature, a)
			}
		}
	}
}

// What may not be read is not known, and never ok.
func TestWhatMayNotBeReadIsNotKnown(t *testing.T) {
	const forbidden = "is forbidden: User \"reader\" cannot list resource"
	unseen := func(f doctor.Facts, what ...string) doctor.Facts {
		for _, w := range what {
			f.Unseen = append(f.Unseen, doctor.Unseen{What: w, Why: w + " " + forbidden})
		}
		return f
	}
	t.Run("DaemonSets", func(t *testing.T) {
		f := factsOf(t, "")
		got := section(unseen(f, "daemonsets"), "network")
		if diff := cmp.Diff([]string{"not known: Which network plugin runs is not known: daemonsets could not be read"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("TheConfigMapThatCanSwitchItOff", func(t *testing.T) {
		f := factsOf(t, "cilium-never")
		f.ConfigMaps = nil
		got := section(unseen(f, "configmaps kube-system/cilium-config"), "network")
		if diff := cmp.Diff([]string{"not known: Whether Cilium enforces NetworkPolicies is not known"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("Everything", func(t *testing.T) {
		f := unseen(factsOf(t, ""), "daemonsets", "nodes", "networkpolicies", "namespaces", "pods", "validatingwebhookconfigurations", doctor.OwnConfigMaps, "policies of other APIs")
		f.Registration = &doctor.Registration{}
		for _, s := range doctor.Examine(f).Sections {
			if s.Status() != doctor.Unknown {
				t.Errorf("%s: %s, %+v", s.ID, s.Status(), s.Answers)
			}
			for _, a := range s.Answers {
				if a.Status == doctor.OK {
					t.Errorf("%s: ok: %s", s.ID, a.Text)
				}
			}
		}
	})
}

const wants = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all-of-it, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress:
  - {ports: [{port: 8000, endPort: 8100}, {port: http}, {protocol: SCTP, port: 36412}]}
  egress:
  - {to: [{ipBlock: {cidr: 10.244.0.0/16}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: c, ports: [{name: http, containerPort: 80}]}]}
status: {phase: Running, podIP: 10.244.0.7, podIPs: [{ip: 10.244.0.7}]}
`

// What the netpols use is told for the plugin that enforces, in its version and with its settings.
func TestFeatures(t *testing.T) {
	tests := map[string][]string{
		"calico-manifest": {"ok: endPort", "ok: SCTP", "ok: named ports", "ok: ipBlock over pods"},
		"cilium":          {"ok: endPort", "ok: SCTP", "ok: named ports", "warning: ipBlock over pods"},
		"cilium-1.15":     {"problem: endPort", "problem: SCTP", "ok: named ports", "warning: ipBlock over pods"},
		"azure-cilium":    {"ok: endPort", "problem: SCTP", "ok: named ports", "warning: ipBlock over pods"},
		"kube-router":     {"ok: endPort", "problem: SCTP", "not known: named ports", "ok: ipBlock over pods"},
		"k3s":             {"ok: endPort", "problem: SCTP", "not known: named ports", "ok: ipBlock over pods"},
		"weave":           {"not known: endPort", "not known: SCTP", "problem: named ports", "not known: ipBlock over pods"},
		"kindnet":         {"ok: endPort", "ok: SCTP", "ok: named ports", "ok: ipBlock over pods"},
		"flannel":         {"not known: What enforces NetworkPolicies is not known, and so not which parts of them"},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, line := range section(factsOf(t, name, wants), "features") {
				status, text, _ := strings.Cut(line, ": ")
				feature, _, _ := strings.Cut(text, ":")
				got = append(got, status+": "+feature)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	t.Run("NoneInUse", func(t *testing.T) {
		f := factsOf(t, "weave", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: shop}\nspec: {podSelector: {}, ingress: [{ports: [{port: 80}, {protocol: UDP}]}]}\n")
		if got := section(f, "features"); len(got) != 1 || !strings.HasPrefix(got[0], "ok: ") {
			t.Errorf("%v", got)
		}
	})
}

// The audit is told what is known, and nothing that is not.
func TestRemarks(t *testing.T) {
	texts := func(name string, more ...string) []string {
		var out []string
		for _, m := range doctor.Remarks(factsOf(t, name, more...)) {
			out = append(out, m.What+" "+m.Object.Name)
		}
		slices.Sort(out)
		return out
	}
	for name, want := range map[string][]string{
		"flannel": {"not-enforced "}, "cilium-never": {"not-enforced "}, "calico-manifest": nil, "unheard-of": nil, "calico-in-a-tenants-namespace": nil,
	} {
		if diff := cmp.Diff(want, texts(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]string{"not-enforced "}, texts("kube-router", wants)); diff != "" {
		t.Errorf("SCTP on kube-router (-want +got):\n%s", diff)
	}
}

// Whoever makes a Deployment that looks like the webhook's elsewhere does not have its image run.
func TestImageIsThatOfWhomTheAPIServerCalls(t *testing.T) {
	deployment := func(namespace, image string) *appsv1.Deployment {
		d := &appsv1.Deployment{}
		d.Namespace = namespace
		d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "webhook", Image: image}}
		return d
	}
	r := &doctor.Registration{Deployments: []*appsv1.Deployment{deployment("attic", "theirs"), deployment("podcullis", "ours")}}
	if got := r.Image(); got != "" {
		t.Errorf("nobody is called, and the image is %q", got)
	}
	r.Configurations = []*admissionregistrationv1.ValidatingWebhookConfiguration{{Webhooks: []admissionregistrationv1.ValidatingWebhook{{
		Name: "netpols.podcullis.io", ClientConfig: admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Namespace: "podcullis", Name: "podcullis"}},
	}}}}
	if got := r.Image(); got != "ours" {
		t.Errorf("got %q", got)
	}
}
