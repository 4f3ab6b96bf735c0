package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/test/controlplane"
)

// patience is how long a condition may take to come true on a busy machine.
const patience = time.Minute

var update = flag.Bool("update", false, "rewrite testdata/golden")

// shared is what the tests of this binary share.
var shared struct {
	sync.Mutex
	dir     string
	plane   *controlplane.ControlPlane
	client  *kubernetes.Clientset
	webhook string // the binary
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "podcullis-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared.dir = dir
	code := m.Run()
	if shared.plane != nil {
		if err := shared.plane.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop control plane:", err)
			return 1
		}
	}
	return code
}

// cluster is the control plane as one test sees it.
type cluster struct {
	*controlplane.ControlPlane
	client *kubernetes.Clientset
}

// start returns the shared control plane, started by the first test that asks.
func start(t *testing.T) cluster {
	t.Helper()
	bin := controlplane.Bin(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.plane == nil {
		plane, err := controlplane.Run(t.Context(), bin, filepath.Join(shared.dir, "plane"), controlplane.Options{})
		if err != nil {
			t.Fatal(err)
		}
		shared.plane = plane
		if shared.client, err = kubernetes.NewForConfig(plane.REST()); err != nil {
			t.Fatal(err)
		}
	}
	return cluster{shared.plane, shared.client}
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

// await fails the test when the condition does not come true.
func await(t *testing.T, what string, condition func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := controlplane.Await(ctx, what, condition); err != nil {
		t.Fatal(err)
	}
}

// namespace makes a namespace, or takes one that an earlier test left, with the
// labels that it has when new, and has it emptied when the test is over.
func (c cluster) namespace(t *testing.T, name string) {
	t.Helper()
	if c.kubectl(t, "", "get", "namespace", name, "--ignore-not-found", "-o", "name") == "" {
		if err := c.CreateNamespace(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { c.clear(t, name) })
}

// everything is what a test may have left in a namespace. Owners come first.
const everything = "deployments,statefulsets,daemonsets,cronjobs,jobs,replicasets,replicationcontrollers,pods,networkpolicies"

// clear empties a namespace. No webhook may be registered.
func (c cluster) clear(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := controlplane.Await(ctx, "namespace "+name+" to be empty", func(ctx context.Context) error {
		if _, _, err := c.Kubectl(ctx, "", "delete", everything, "--all", "-n", name, "--wait=false", "--force", "--grace-period=0"); err != nil {
			return err
		}
		left, _, err := c.Kubectl(ctx, "", "get", everything, "-n", name, "-o", "name")
		if err == nil && left != "" {
			err = fmt.Errorf("left: %s", strings.Join(strings.Fields(left), " "))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// repository is a path in it.
func repository(t *testing.T, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"..", ".."}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// everything lists what is in namespaces shop and partner, with labels and specs' generations.
func (c cluster) everything(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, namespace := range []string{"shop", "partner"} {
		out.WriteString(c.kubectl(t, "", "get", everything, "-n", namespace, "--ignore-not-found",
			"-o", `jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation} {.metadata.labels}{"\n"}{end}`))
	}
	return out.String()
}

// kubectlAnyway is for cleaning up.
func (c cluster) kubectlAnyway(args ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _, _ = c.Kubectl(ctx, "", args...)
}
