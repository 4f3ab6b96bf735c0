package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/internal/image"
	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/node"
)

// patience is how long a condition may take to come true on a busy machine.
const patience = 2 * time.Minute

// nettoolImage is what every pod runs that is there to be connected to.
const nettoolImage = "podcullis.test/nettool:1"

func TestMain(m *testing.M) { os.Exit(node.Main(m)) }

// cluster is the node as one test sees it.
type cluster struct{ *node.Node }

// prepared is done once for all tests.
var prepared sync.Once

func start(t *testing.T) cluster {
	t.Helper()
	c := cluster{node.Start(t)}
	prepared.Do(func() {
		if err := c.ServeOutside(t.Context(), outsidePorts()...); err != nil {
			t.Fatal(err)
		}
		if err := c.ImportImage(t.Context(), nettoolImage, image.Contents{Binaries: []string{c.Nettool}}); err != nil {
			t.Fatal(err)
		}
	})
	return c
}

// outsidePorts are all that any test asks for.
func outsidePorts() []string {
	ports := slices.Concat(townPorts, shopPorts)
	slices.Sort(ports)
	return slices.Compact(ports)
}

// kubectl runs a command that must succeed, and returns what it printed.
func (c cluster) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	stdout, _, err := c.Kubectl(t.Context(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return stdout
}

// apply applies manifests.
func (c cluster) apply(t *testing.T, manifests string) {
	t.Helper()
	c.kubectl(t, manifests, "apply", "-f", "-")
}

// namespaces makes namespaces, each with the label side that is its name, and has them removed with
// all that is in them when the test is over.
func (c cluster) namespaces(t *testing.T, names ...string) {
	t.Helper()
	t.Cleanup(func() { c.removeNamespaces(t, names...) })
	for _, name := range names {
		if err := c.CreateNamespace(t.Context(), name, map[string]string{"side": name}); err != nil {
			t.Fatal(err)
		}
	}
}

// removeNamespaces returns when they are gone. Pods are killed, and so need no time to say goodbye.
func (c cluster) removeNamespaces(t *testing.T, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, name := range names {
		if _, _, err := c.Kubectl(ctx, "", "delete", "pods", "--all", "-n", name, "--force", "--grace-period=0", "--wait=false"); err != nil {
			t.Error(err)
		}
	}
	args := append([]string{"delete", "namespace", "--ignore-not-found", "--timeout=" + patience.String()}, names...)
	if _, _, err := c.Kubectl(ctx, "", args...); err != nil {
		t.Error(err)
	}
}

// await fails the test when the condition does not come true.
func await(t *testing.T, what string, condition func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := controlplane.Await(ctx, what, condition); err != nil {
		t.Fatal(err)
	}
}

// awaitReady waits until every pod of the namespaces is ready, and there are as many as said.
func (c cluster) awaitReady(t *testing.T, want int, namespaces ...string) {
	t.Helper()
	await(t, "pods of "+strings.Join(namespaces, ", "), func(ctx context.Context) error {
		count := 0
		for _, namespace := range namespaces {
			pods, err := c.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
			if err != nil {
				return err
			}
			for _, pod := range pods.Items {
				if !ready(&pod) {
					return fmt.Errorf("pod %s/%s is not ready: %s", namespace, pod.Name, pod.Status.Phase)
				}
				count++
			}
		}
		if count != want {
			return fmt.Errorf("%d pods, want %d", count, want)
		}
		return nil
	})
}

func ready(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// enforced waits until the node drops what the netpols that exist now say.
func (c cluster) enforced(t *testing.T) {
	t.Helper()
	await(t, "the netpols to be enforced", c.Enforcer.Settled)
}

// repository is a path in it.
func repository(t *testing.T, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"..", "..", ".."}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}
