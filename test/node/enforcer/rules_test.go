package enforcer_test

import (
	"flag"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/test/node/enforcer"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestRules is about what nftables is told. That it does what a NetworkPolicy means is for packets to
// show, in test/node/e2e.
func TestRules(t *testing.T) {
	const file = "testdata/rules.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c enforcer.Cluster
	for i, f := range archive.Files {
		var err error
		switch f.Name {
		case "namespaces.yaml":
			err = yaml.UnmarshalStrict(f.Data, &c.Namespaces)
		case "pods.yaml":
			err = yaml.UnmarshalStrict(f.Data, &c.Pods)
		case "netpols.yaml":
			err = yaml.UnmarshalStrict(f.Data, &c.Netpols)
		case "rules":
			got, rulesErr := enforcer.Rules(c, netip.MustParseAddr("198.18.0.1"))
			if rulesErr != nil {
				t.Fatal(rulesErr)
			}
			if *update {
				archive.Files[i].Data = []byte(got)
				err = os.WriteFile(file, txtar.Format(archive), 0o600)
				break
			}
			if diff := cmp.Diff(string(f.Data), got); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		}
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
}

// What cannot be read must not end as a rule that is missing.
func TestBrokenSelectorIsAnError(t *testing.T) {
	var pod corev1.Pod
	pod.Namespace, pod.Name, pod.Status.PodIP = "west", "web", "198.18.1.2"
	var netpol networkingv1.NetworkPolicy
	netpol.Namespace, netpol.Name = "west", "broken"
	netpol.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	netpol.Spec.PodSelector.MatchLabels = map[string]string{"app": "not a value"}
	_, err := enforcer.Rules(enforcer.Cluster{Pods: []*corev1.Pod{&pod}, Netpols: []*networkingv1.NetworkPolicy{&netpol}}, netip.Addr{})
	if err == nil {
		t.Error("no error")
	}
}
