package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/test/controlplane"
)

// A cluster whose network ignores NetworkPolicies is told so by doctor and audit, and whoever may
// read little is told what that is.
func TestDoctorOfARunningCluster(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{})
	flannel, err := os.ReadFile(filepath.Join("..", "..", "doctor", "testdata", "networks", "flannel.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(shop)
	if err != nil {
		t.Fatal(err)
	}
	if err := plane.CreateNamespace(t.Context(), "kube-flannel", nil); err != nil {
		t.Fatal(err)
	}
	for _, apply := range [][2]string{
		{"{apiVersion: v1, kind: Node, metadata: {name: n-1}}", "-"},
		{string(flannel), "-"},
		{"", dir},
		{"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny-too, namespace: shop}, spec: {podSelector: {matchLabels: {app: backend}}, policyTypes: [Ingress, Egress]}}", "-"},
	} {
		if _, _, err := plane.Kubectl(t.Context(), apply[0], "apply", "-f", apply[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := controlplane.Await(t.Context(), "the DaemonSet to be for a node", func(ctx context.Context) error {
		out, _, err := plane.Kubectl(ctx, "", "get", "daemonset", "-n", "kube-flannel", "kube-flannel-ds", "-o", "jsonpath={.status.desiredNumberScheduled}")
		if err == nil && out != "1" {
			err = errors.New("it is for " + out)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	const ignores = "flannel ignores NetworkPolicies: they block no packet"
	restricted, err := plane.UserKubeconfig("netpol-reader")
	if err != nil {
		t.Fatal(err)
	}
	grant(t, plane, "netpol-reader", rbacv1.PolicyRule{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}, Verbs: []string{"list"}})
	nobody, err := plane.UserKubeconfig("nobody")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		reason         string
		args           []string
		code           int
		stdout, stderr []string
	}{
		"Doctor": {
			reason: "the dry run is accepted, as nobody is asked", args: []string{"doctor", "--kubeconfig", plane.Kubeconfig}, code: violations,
			stdout: []string{"warning   No webhook of Podcullis is registered", "problem   " + ignores, "NetworkPolicy shop/deny-too adds nothing: default-deny says all that it says"},
			stderr: []string{"cluster podcullis-test, 8 questions: ", "next: `podcullis doctor --probe ...`"},
		},
		"ProbeWithoutAnImage": {
			reason: "there is no Deployment of the webhook", args: []string{"doctor", "--probe", "--kubeconfig", plane.Kubeconfig}, code: violations,
			stdout: []string{"not known The probe could not be made", "--probe-image"},
		},
		"WhoMayReadNetpolsOnly": {
			reason: "what may not be read is not known; which APIs are served everybody may read", args: []string{"doctor", "--kubeconfig", restricted},
			stdout: []string{
				"not known Whether the webhook is registered is not known: validatingwebhookconfigurations could not be read",
				"not known Which network plugin runs is not known: daemonsets could not be read",
				"not known What the NetworkPolicies use is not known: pods could not be read",
				"not known Which namespaces have a default-deny is not known: namespaces could not be read",
				"not known Which pods are on their node's network is not known: pods could not be read",
			},
		},
		"WhoMayReadNothing": {
			reason: "nothing was seen", args: []string{"doctor", "--kubeconfig", nobody}, code: unable, stderr: []string{"nothing at all may be listed"},
		},
		"Audit": {
			reason: "the same facts, in the audit's report", args: []string{"audit", "--config", shopRules, "--kubeconfig", plane.Kubeconfig}, code: violations,
			stdout: []string{ignores, "NetworkPolicy shop/deny-too adds nothing: default-deny says all that it says"},
		},
		"AuditInJSON": {
			reason: "with the word by which each is known", args: []string{"audit", "--config", shopRules, "--kubeconfig", plane.Kubeconfig, "-o", "json"}, code: violations,
			stdout: []string{`"remark": "not-enforced"`, `"remark": "adds-nothing"`, `"remark": "names-nothing"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := command(t, tt.args...)
			if code != tt.code {
				t.Errorf("%s: exit code %d, want %d", tt.reason, code, tt.code)
			}
			flat := strings.Join(strings.Fields(stdout), " ")
			for _, want := range tt.stdout {
				if !strings.Contains(flat, strings.Join(strings.Fields(want), " ")) {
					t.Errorf("%s: no %q in\n%s%s", tt.reason, want, stdout, stderr)
				}
			}
			for _, want := range tt.stderr {
				if !strings.Contains(stderr, want) {
					t.Errorf("%s: no %q in\n%s", tt.reason, want, stderr)
				}
			}
		})
	}
}

// grant gives a user rights in the whole cluster.
func grant(t *testing.T, plane *controlplane.ControlPlane, user string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	admin, err := kubernetes.NewForConfig(plane.REST())
	if err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Name: user}
	if _, err := admin.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: slices.Clone(rules)}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, Subjects: []rbacv1.Subject{{Kind: "User", Name: user, APIGroup: rbacv1.GroupName}},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
