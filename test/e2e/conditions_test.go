package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/render"
	"github.com/podcullis/podcullis/test/server"
)

// chartConditions are those that the chart registers its webhook for workloads with.
func chartConditions(t *testing.T) []admissionregistrationv1.MatchCondition {
	t.Helper()
	texts, err := render.Chart{Path: repository(t, "charts", "podcullis"), ReleaseName: "guard", Namespace: "podcullis"}.Render(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		var c admissionregistrationv1.ValidatingWebhookConfiguration
		if yaml.Unmarshal(text.Data, &c) != nil || c.Kind != "ValidatingWebhookConfiguration" {
			continue
		}
		for _, w := range c.Webhooks {
			if w.Name == "workloads.podcullis.io" && len(w.MatchConditions) == 4 {
				return w.MatchConditions
			}
		}
	}
	t.Fatal("the chart has not the four conditions for workloads")
	return nil
}

var countedPattern = regexp.MustCompile(`(?m)^podcullis_admission_requests_total\{([^}]*)\} (\S+)$`)

// counted is how many reviews of a resource and operation were answered.
func (g *gate) counted(t *testing.T, resource, operation string) int {
	t.Helper()
	text, err := server.Get(t.Context(), "http://"+g.metrics+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, m := range countedPattern.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], fmt.Sprintf("resource=%q", resource)) && strings.Contains(m[1], fmt.Sprintf("operation=%q", operation)) {
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}

// What kubelets, schedulers and controllers write all day is not asked about; what can
// change a path by the same doors is.
func TestWhatTheChartLeavesOut(t *testing.T) {
	c := start(t)
	c.namespace(t, "partner")
	g := c.gate(t, gateOptions{conditions: chartConditions(t)})
	c.shop(t)
	c.kubectl(t, doorsOfTheExtraRules, "apply", "-f", "-")
	frontend := strings.TrimPrefix(c.awaitPods(t, "shop", "app=frontend", 1)[0], "pod/")
	logging := strings.TrimPrefix(c.awaitPods(t, "shop", "app=logging", 1)[0], "pod/")
	pods := c.client.CoreV1().Pods("shop")
	patch := func(name, subresource, body string) error {
		_, err := pods.Patch(t.Context(), name, types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{}, subresource)
		return err
	}
	kubelet := func(i int) string {
		return fmt.Sprintf(`{"status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}],"conditions":[{"type":"Ready","status":"True","message":"%d"}]}}`, i)
	}
	asked := func(what, resource, operation string, want int, do func()) {
		t.Helper()
		before := g.counted(t, resource, operation)
		do()
		if got := g.counted(t, resource, operation) - before; got != want {
			t.Errorf("%s: asked %d times, want %d", what, got, want)
		}
	}
	fine := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "only-backend-reaches-db") {
			t.Errorf("%s: %v, want a denial", what, err)
		}
	}

	asked("100 writes of a kubelet", "pods/status", "UPDATE", 0, func() {
		for i := range 100 {
			fine(patch(frontend, "status", kubelet(i)))
		}
	})
	asked("a label by way of the status", "pods/status", "UPDATE", 1, func() {
		refused("a label by way of the status", patch(frontend, "status", `{"metadata":{"labels":{"role":"backend"}},"status":{"phase":"Running"}}`))
	})
	asked("a label that goes by way of the status", "pods/status", "UPDATE", 1, func() {
		fine(patch(logging, "status", `{"metadata":{"labels":{"no-such":null,"new":"one"}}}`))
	})
	asked("the last labels go", "pods/status", "UPDATE", 2, func() {
		bare := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "labelled", Labels: map[string]string{"a": "b"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.test/c"}}}}
		_, err := pods.Create(t.Context(), bare, metav1.CreateOptions{})
		fine(err)
		fine(patch("labelled", "status", `{"metadata":{"labels":null}}`))
		fine(patch("labelled", "status", `{"status":{"phase":"Pending"}}`))
		fine(patch("labelled", "status", `{"metadata":{"labels":{"a":"b"}}}`))
	})
	// Who is gone is in nobody's way, so a pod that comes back is somebody new.
	asked("a pod that comes back", "pods/status", "UPDATE", 1, func() {
		fine(patch(frontend, "status", `{"status":{"phase":"Failed"}}`))
		fine(patch(frontend, "status", `{"status":{"phase":"Succeeded"}}`))
		await(t, "the model to see it", func(context.Context) error { return patch(frontend, "", `{"metadata":{"labels":{"role":"backend"}}}`) })
		refused("it comes back with another label", patch(frontend, "status", `{"status":{"phase":"Running"}}`))
	})
	asked("a Binding", "pods/binding", "CREATE", 0, func() {
		c.kubectl(t, binding(logging, false), "create", "--raw", "/api/v1/namespaces/shop/pods/"+logging+"/binding", "-f", "-")
	})
	asked("a Binding of the old kind", "bindings", "CREATE", 0, func() {
		c.kubectl(t, binding("labelled", false), "create", "--raw", "/api/v1/namespaces/shop/bindings", "-f", "-")
	})
	backend := strings.TrimPrefix(c.awaitPods(t, "shop", "app=backend", 1)[0], "pod/")
	for _, b := range []struct{ pod, path, resource string }{{backend, "pods/" + backend + "/binding", "pods/binding"}, {"db-0", "bindings", "bindings"}} {
		asked("a Binding with labels", b.resource, "CREATE", 1, func() {
			labelled := strings.Replace(binding(b.pod, true), `"role":"backend"`, `"topology.kubernetes.io/zone":"a"`, 1)
			c.kubectl(t, labelled, "create", "--raw", "/api/v1/namespaces/shop/"+b.path, "-f", "-")
		})
	}
	asked("a deleted pod", "pods", "DELETE", 0, func() {
		fine(pods.Delete(t.Context(), "labelled", *metav1.NewDeleteOptions(0)))
		fine(pods.DeleteCollection(t.Context(), *metav1.NewDeleteOptions(0), metav1.ListOptions{LabelSelector: "app=logging"}))
	})
	asked("a deleted netpol", "networkpolicies", "DELETE", 1, func() {
		refusedNetpol := c.client.NetworkingV1().NetworkPolicies("shop").Delete(t.Context(), "default-deny", metav1.DeleteOptions{DryRun: []string{"All"}})
		if refusedNetpol == nil {
			t.Error("the deletion of default-deny was not refused")
		}
	})
}

// While no replica answers, Fail stops what can change a path, and a cluster goes on living.
func TestWhatFailStopsWhileNobodyAnswers(t *testing.T) {
	c := start(t)
	c.namespace(t, "partner")
	g := c.gate(t, gateOptions{conditions: chartConditions(t)})
	c.shop(t)
	frontend := strings.TrimPrefix(c.awaitPods(t, "shop", "app=frontend", 1)[0], "pod/")
	pods := c.client.CoreV1().Pods("shop")
	g.stop(t)
	defer g.start(t) // so that what was made can be deleted
	type write struct {
		what    string
		stopped bool
		do      func(ctx context.Context) error
	}
	for _, w := range []write{
		{"a kubelet's status", false, func(ctx context.Context) error {
			_, err := pods.Patch(ctx, frontend, types.StrategicMergePatchType, []byte(`{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"False"}]}}`), metav1.PatchOptions{}, "status")
			return err
		}},
		{"a scheduler's Binding", false, func(ctx context.Context) error {
			return pods.Bind(ctx, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: frontend}, Target: corev1.ObjectReference{Kind: "Node", Name: "node"}}, metav1.CreateOptions{})
		}},
		{"the end of a pod", false, func(ctx context.Context) error { return pods.Delete(ctx, frontend, *metav1.NewDeleteOptions(0)) }},
		{"a pod in kube-system", false, func(ctx context.Context) error {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "system"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.test/c"}}}}
			_, err := c.client.CoreV1().Pods("kube-system").Create(ctx, pod, metav1.CreateOptions{DryRun: []string{"All"}})
			return err
		}},
		{"a label by way of the status", true, func(ctx context.Context) error {
			_, err := pods.Patch(ctx, "db-0", types.StrategicMergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}, "status")
			return err
		}},
		{"a new pod", true, func(ctx context.Context) error {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "new"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.test/c"}}}}
			_, err := pods.Create(ctx, pod, metav1.CreateOptions{DryRun: []string{"All"}})
			return err
		}},
		{"the deletion of a netpol", true, func(ctx context.Context) error {
			return c.client.NetworkingV1().NetworkPolicies("shop").Delete(ctx, "default-deny", metav1.DeleteOptions{DryRun: []string{"All"}})
		}},
	} {
		err := w.do(t.Context())
		stopped := err != nil && strings.Contains(err.Error(), "failed calling webhook")
		if stopped != w.stopped || (err != nil && !stopped) {
			t.Errorf("%s: %v; stopped %v, want %v", w.what, err, stopped, w.stopped)
		}
	}
}
