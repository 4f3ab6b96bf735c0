package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// B1: labels change by more requests than those to the object itself.
func TestLabelsByWayOfSubresourcesAreJudged(t *testing.T) {
	c := start(t)
	c.namespace(t, "partner")
	c.gate(t, gateOptions{})
	c.shop(t)
	c.kubectl(t, doorsOfTheExtraRules, "apply", "-f", "-")
	t.Cleanup(func() { c.kubectlAnyway("label", "namespace", "partner", "trusted-") })
	frontend := strings.TrimPrefix(c.awaitPods(t, "shop", "app=frontend", 1)[0], "pod/")
	c.awaitPods(t, "partner", "app=client", 1)
	before := c.everything(t) + c.labelsOfPartner(t)

	trusted := `{"metadata":{"labels":{"trusted":"yes"}}}`
	role := `{"metadata":{"labels":{"role":"backend"}}}`
	for _, change := range []change{
		{"pods-status-merge", "", "-n shop patch pod " + frontend + " --subresource=status --type=merge -p " + role},
		{"pods-status-relabel", "", "-n shop patch pod " + frontend + ` --subresource=status --type=strategic -p {"metadata":{"labels":{"app":"backend"}}}`},
		{"pods-status-json", "", "-n shop patch pod " + frontend + ` --subresource=status --type=json -p [{"op":"add","path":"/metadata/labels/role","value":"backend"}]`},
		{"pods-binding", binding(frontend, true), "create --raw /api/v1/namespaces/shop/pods/" + frontend + "/binding -f -"},
		{"bindings", binding(frontend, true), "create --raw /api/v1/namespaces/shop/bindings -f -"},
		{"namespaces-status", "", "patch namespace partner --subresource=status --type=merge -p " + trusted},
		{"namespaces-finalize", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"partner","labels":{"trusted":"yes"}},"spec":{"finalizers":["kubernetes"]}}`, "replace --raw /api/v1/namespaces/partner/finalize -f -"},
	} {
		t.Run(change.name, func(t *testing.T) {
			c.refused(t, "subresource-"+change.name, change.stdin, strings.Fields(change.args)...)
		})
	}
	// B6: a request for ephemeral containers cannot carry labels past us.
	t.Run("pods-ephemeralcontainers", func(t *testing.T) {
		patch := `{"metadata":{"labels":{"role":"backend"}},"spec":{"ephemeralContainers":[{"name":"debug","image":"example.test/debug"}]}}`
		_, err := c.client.CoreV1().Pods("shop").Patch(t.Context(), frontend, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "ephemeralcontainers")
		t.Logf("the API server says: %v", err)
	})
	t.Run("pods-resize", func(t *testing.T) {
		patch := `{"metadata":{"labels":{"role":"backend"}}}`
		_, err := c.client.CoreV1().Pods("shop").Patch(t.Context(), frontend, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "resize")
		t.Logf("the API server says: %v", err)
	})
	t.Run("scale", func(t *testing.T) {
		for _, resource := range []string{"deployments/logging", "statefulsets/db"} {
			patch := `{"metadata":{"labels":{"role":"backend"}}}`
			err := c.client.AppsV1().RESTClient().Patch(types.MergePatchType).AbsPath("/apis/apps/v1/namespaces/shop/" + resource + "/scale").Body([]byte(patch)).Do(t.Context()).Error()
			t.Logf("%s: the API server says: %v", resource, err)
		}
	})
	if after := c.everything(t) + c.labelsOfPartner(t); withoutGenerations(after) != withoutGenerations(before) {
		t.Errorf("labels have changed:\nbefore\n%s\nafter\n%s", before, after)
	}
	t.Run("HarmlessBindingPasses", func(t *testing.T) {
		c.kubectl(t, binding(frontend, false), "create", "--raw", "/api/v1/namespaces/shop/pods/"+frontend+"/binding", "-f", "-")
	})
	t.Run("HarmlessStatusPasses", func(t *testing.T) {
		c.kubectl(t, "", "-n", "shop", "patch", "pod", "db-0", "--subresource=status", "--type=merge", "-p", `{"status":{"phase":"Running"}}`)
	})
}

func (c cluster) labelsOfPartner(t *testing.T) string {
	t.Helper()
	return c.kubectl(t, "", "get", "namespace", "partner", "-o", "jsonpath={.metadata.labels}")
}

// withoutGenerations leaves kinds, names and labels.
func withoutGenerations(listing string) string {
	var out strings.Builder
	for line := range strings.Lines(listing) {
		fields := strings.SplitN(line, " ", 4)
		if len(fields) == 4 {
			line = fields[0] + " " + fields[1] + " " + fields[3]
		}
		out.WriteString(line)
	}
	return out.String()
}

func binding(pod string, labelled bool) string {
	labels := "{}"
	if labelled {
		labels = `{"role":"backend"}`
	}
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Binding","metadata":{"name":%q,"namespace":"shop","labels":%s},"target":{"apiVersion":"v1","kind":"Node","name":"node"}}`, pod, labels)
}

// B2 and B3: an object that is being deleted still counts, and goes when its
// last finalizer does, without another DELETE.
func TestObjectsBeingDeletedAreJudgedUntilTheyAreGone(t *testing.T) {
	c := start(t)
	c.namespace(t, "shop")
	// Deleted before anyone watched, and still there.
	c.shop(t)
	c.kubectl(t, "", "-n", "shop", "patch", "networkpolicy", "default-deny", "--type=merge", "-p", `{"metadata":{"finalizers":["example.test/hold"]}}`)
	c.kubectl(t, "", "-n", "shop", "delete", "networkpolicy", "default-deny", "--wait=false")
	frontend := c.awaitPods(t, "shop", "app=frontend", 1)[0]
	t.Cleanup(func() {
		c.kubectlAnyway("-n", "shop", "patch", "networkpolicy", "default-deny", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		c.kubectlAnyway("-n", "shop", "patch", frontend, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	})
	c.gate(t, gateOptions{})
	t.Run("NetpolFinalizerDropIsItsDeletion", func(t *testing.T) {
		c.refused(t, "finalizer-drop", "", "-n", "shop", "patch", "networkpolicy", "default-deny", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	})
	t.Run("NetpolSpecChange", func(t *testing.T) {
		c.refused(t, "finalizer-spec", "", "-n", "shop", "patch", "networkpolicy", "default-deny", "--type=merge", "-p", `{"spec":{"podSelector":{"matchLabels":{"app":"frontend"}}}}`)
	})
	t.Run("NetpolWithFinalizerIsDeleted", func(t *testing.T) {
		hold := strings.Replace(netpol("second", "podSelector: {}", "policyTypes: [Ingress, Egress]"), "name: second", "name: second, finalizers: [example.test/hold]", 1)
		c.kubectl(t, hold, "apply", "-f", "-")
		t.Cleanup(func() {
			c.kubectlAnyway("-n", "shop", "patch", "networkpolicy", "second", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		})
		// With the second in place the first may go, and then the second may not.
		c.kubectl(t, "", "-n", "shop", "patch", "networkpolicy", "default-deny", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		c.refused(t, "finalizer-delete", "", "-n", "shop", "delete", "networkpolicy", "second", "--wait=false")
	})
	t.Run("PodLabels", func(t *testing.T) {
		// On a node: one that is on none is set to Failed by the pod garbage collector, which looks
		// every 20 seconds, and then reaches nothing.
		name := strings.TrimPrefix(frontend, "pod/")
		c.kubectl(t, binding(name, false), "create", "--raw", "/api/v1/namespaces/shop/pods/"+name+"/binding", "-f", "-")
		c.kubectl(t, "", "-n", "shop", "patch", frontend, "--type=merge", "-p", `{"metadata":{"finalizers":["example.test/hold"]}}`)
		c.kubectl(t, "", "-n", "shop", "delete", frontend, "--wait=false")
		c.refused(t, "deleted-pod-relabel", "", "-n", "shop", "label", frontend, "app=backend", "--overwrite")
	})
}

// B4: nothing that a tenant can write on an object or a namespace exempts it.
func TestNoLabelOrAnnotationEscapes(t *testing.T) {
	c := start(t)
	c.namespace(t, "escape")
	c.gate(t, gateOptions{})
	marks := []string{
		"podcullis.io/ignore=true", "podcullis.io/exempt=true", "podcullis.io/skip=true", "podcullis.io/mode=audit",
		"admission.gatekeeper.sh/ignore=no-self-managing", "openpolicyagent.org/webhook=ignore", "control-plane=controller-manager",
	}
	c.kubectl(t, "", append([]string{"label", "namespace", "escape"}, marks...)...)
	c.kubectl(t, "", append([]string{"annotate", "namespace", "escape"}, marks...)...)
	var pairs []string
	for _, mark := range marks {
		key, value, _ := strings.Cut(mark, "=")
		pairs = append(pairs, fmt.Sprintf("%s: %q", key, value))
	}
	marked := "{" + strings.Join(pairs, ", ") + "}"
	c.refused(t, "no-escape", strings.Replace(pod("bare", marked, "escape"), "name: bare", "name: bare, annotations: "+marked, 1), "create", "-f", "-")
	// kube-system is told by the label that only the API server sets.
	c.kubectl(t, "", "label", "namespace", "escape", "kubernetes.io/metadata.name=kube-system", "--overwrite")
	c.refused(t, "no-escape", strings.Replace(pod("bare", marked, "escape"), "name: bare", "name: bare, annotations: "+marked, 1), "create", "-f", "-")
}

// B10: what other admission plugins add to an object is seen.
func TestLabelsThatAMutationAddsAreSeen(t *testing.T) {
	c := start(t)
	c.namespace(t, "partner")
	c.gate(t, gateOptions{})
	c.shop(t)
	c.kubectl(t, doorsOfTheExtraRules, "apply", "-f", "-")
	intruder := pod("mutant", "{app: logging, mutate: me}", "shop")
	c.kubectl(t, intruder, "create", "--dry-run=server", "-f", "-") // harmless as written
	c.mutate(t)
	c.refused(t, "mutated-pod", intruder, "create", "-f", "-")
}

// mutate has every pod with a label mutate labelled role=backend, until the test is over.
func (c cluster) mutate(t *testing.T) {
	t.Helper()
	c.kubectl(t, mutation, "apply", "-f", "-")
	t.Cleanup(func() {
		c.kubectlAnyway("delete", "mutatingadmissionpolicybinding", "mutate")
		c.kubectlAnyway("delete", "mutatingadmissionpolicy", "mutate")
	})
	await(t, "the mutation to be in force", func(ctx context.Context) error {
		elsewhere := pod("probe", "{mutate: me}", "kube-system") // where the webhook is not asked
		out, _, err := c.Kubectl(ctx, elsewhere, "create", "--dry-run=server", "-f", "-", "-o", "jsonpath={.metadata.labels.role}")
		if err == nil && out != "backend" {
			err = fmt.Errorf("role is %q", out)
		}
		return err
	})
}

const mutation = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: mutate}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  matchConditions: [{name: marked, expression: 'has(object.metadata.labels) && "mutate" in object.metadata.labels'}]
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations:
  - patchType: JSONPatch
    jsonPatch: {expression: '[JSONPatch{op: "add", path: "/metadata/labels/role", value: "backend"}]'}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: mutate}
spec: {policyName: mutate}
`
