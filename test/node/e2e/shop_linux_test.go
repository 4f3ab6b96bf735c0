package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// shopPorts are what everybody serves around the shop.
var shopPorts = []string{"tcp/8080", "tcp/5432", "tcp/8443", "tcp/53", "udp/53"}

// TestShop is the shop of examples, as it is but for what its containers run, and the attack that
// README.md begins with.
func TestShop(t *testing.T) {
	c := start(t)
	c.namespaces(t, "partner")
	t.Cleanup(func() { c.removeNamespaces(t, "shop") })
	c.shop(t)
	c.awaitReady(t, 5, "shop")
	c.awaitReady(t, 1, "partner")

	c.agree(t, c.ends(t, "shop", "partner"), shopPorts).expect(t, `
		open shop/backend -> shop/db tcp/5432
		blocked shop/backend -> shop/db tcp/8080
		blocked shop/frontend -> shop/db tcp/5432
		open shop/frontend -> shop/backend tcp/8080
		blocked shop/analytics -> shop/db tcp/5432
		blocked shop/analytics -> shop/logging tcp/8080
		open 203.0.113.10 -> shop/frontend tcp/8443
		blocked 203.0.113.10 -> shop/backend tcp/8080
		open partner/visitor -> shop/frontend tcp/8443
		blocked partner/visitor -> shop/db tcp/5432
		blocked shop/db -> 203.0.113.10 tcp/8443`)

	t.Run("LabelAttack", func(t *testing.T) {
		pod := c.podOf(t, "shop", "analytics")
		c.kubectl(t, "", "label", "pod", "-n", "shop", pod, "app=backend", "--overwrite")
		c.awaitReady(t, 6, "shop") // its controller replaces it
		c.agree(t, c.ends(t, "shop", "partner"), shopPorts).expect(t, `
			open shop/`+pod+` -> shop/db tcp/5432
			blocked shop/analytics -> shop/db tcp/5432`)
	})
}

// shop applies the shop of examples, with nettool in its pods, and a visitor from elsewhere.
func (c cluster) shop(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(repository(t, "examples", "shop", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the shop of examples: %v, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(content), "\n---\n") {
			c.apply(t, withNettool(t, document))
		}
	}
	c.apply(t, asYAML(t, corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "partner", Name: "visitor", Labels: map[string]string{"app": "visitor"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{serving(corev1.Container{Name: "nettool"}, shopPorts)}},
	}))
}

// withNettool gives the template of a workload something to run that is here. Anything else it leaves.
func withNettool(t *testing.T, document string) string {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Fatal(err)
	}
	spec, _ := object["spec"].(map[string]any)
	template, ok := spec["template"].(map[string]any)
	if !ok {
		return document
	}
	var pod corev1.PodTemplateSpec
	if err := yaml.UnmarshalStrict([]byte(asYAML(t, template)), &pod); err != nil {
		t.Fatal(err)
	}
	pod.Spec.Containers[0] = serving(pod.Spec.Containers[0], shopPorts)
	spec["template"] = pod
	return asYAML(t, object)
}

// podOf returns the name of the one pod with a label app.
func (c cluster) podOf(t *testing.T, namespace, app string) string {
	t.Helper()
	pods, err := c.Client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 {
		t.Fatalf("%d pods in %s with app=%s, want 1", len(pods.Items), namespace, app)
	}
	return pods.Items[0].Name
}
