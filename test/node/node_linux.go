package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/internal/image"
	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/controlplane/binaries"
	"github.com/podcullis/podcullis/test/node/enforcer"
)

// apiServerPort is the one that most clusters have: netpols of charts know it.
const apiServerPort = 6443

// Node is a running cluster of one node.
type Node struct {
	*controlplane.ControlPlane
	// Client is a member of system:masters.
	Client *kubernetes.Clientset
	// Enforcer is what blocks packets.
	Enforcer *enforcer.Enforcer
	// Nettool is the path of test/node/nettool.
	Nettool string

	programs folders
	cancel   context.CancelFunc
	enforced chan error
}

// shared is the node of all tests of a binary: there is one machine.
var shared struct {
	sync.Mutex
	node *Node
	err  error
}

// Start returns the node, which the first call starts. It skips the test if nobody asked for a node,
// and fails it if the node does not start. Tests share it and clean up after themselves.
func Start(tb testing.TB) *Node {
	tb.Helper()
	dir := os.Getenv(insideEnv)
	if dir == "" {
		tb.Skipf("needs root, Debian packages and %s=1: make e2e", AskEnv)
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.node == nil && shared.err == nil {
		// Not the test's context: the node outlives the test that was first to need it.
		shared.node, shared.err = start(context.Background(), dir)
	}
	if shared.err != nil {
		tb.Fatalf("start the test node: %v", shared.err)
	}
	return shared.node
}

func stopShared() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.node == nil {
		return nil
	}
	return shared.node.stop()
}

func start(ctx context.Context, dir string) (*Node, error) {
	found, err := programs()
	if err != nil {
		return nil, err
	}
	plane, err := controlplane.Run(ctx, found.controlPlane, filepath.Join(dir, "cluster"), controlplane.Options{
		Scheduler:     true,
		APIServerPort: apiServerPort,
		APIServerArgs: []string{ // pods come to it too
			"--bind-address=0.0.0.0", "--advertise-address=" + Address, "--endpoint-reconciler-type=lease",
			"--kubelet-preferred-address-types=InternalIP",
		},
	})
	if err != nil {
		return nil, err
	}
	n := &Node{ControlPlane: plane, programs: found, Nettool: filepath.Join(dir, "nettool")}
	if err := n.start(ctx, dir); err != nil {
		return nil, errors.Join(err, n.stop())
	}
	return n, nil
}

func (n *Node) start(ctx context.Context, dir string) (err error) {
	if n.Client, err = kubernetes.NewForConfig(n.REST()); err != nil {
		return err
	}
	if err := n.startContainerd(ctx); err != nil {
		return err
	}
	pause := filepath.Join(dir, "pause")
	if err := errors.Join(compile(ctx, pause, "test/node/pause"), compile(ctx, n.Nettool, "test/node/nettool")); err != nil {
		return err
	}
	if err := n.ImportImage(ctx, pauseImage, image.Contents{Binaries: []string{pause}}); err != nil {
		return err
	}
	if err := n.startKubelet(ctx, dir); err != nil {
		return err
	}
	if err := n.startKubeProxy(ctx); err != nil {
		return err
	}
	enforcing, cancel := context.WithCancel(ctx)
	n.cancel, n.enforced = cancel, make(chan error, 1)
	n.Enforcer = enforcer.New(n.Client, netip.MustParseAddr(Address))
	go func() { n.enforced <- n.Enforcer.Run(enforcing) }()
	return nil
}

func (n *Node) stop() error {
	var err error
	if n.cancel != nil {
		n.cancel()
		err = <-n.enforced
	}
	return errors.Join(err, n.Stop())
}

// compile builds a command of the repository, statically.
func compile(ctx context.Context, file, pkg string) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", file, "github.com/podcullis/podcullis/"+pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// Build compiles a command of the repository, such as cmd/podcullis-webhook, and returns its path.
func (n *Node) Build(ctx context.Context, pkg string) (string, error) {
	file := filepath.Join(filepath.Dir(n.Nettool), "bin", filepath.Base(pkg))
	if _, err := os.Stat(file); err == nil {
		return file, nil // built in this run
	}
	return file, compile(ctx, file, pkg)
}

// CertManager returns the path of cert-manager's controllers and that of the folder of its
// CustomResourceDefinitions.
func (n *Node) CertManager() (controllers, crds string) {
	return filepath.Join(n.programs.node, binaries.CertManager), filepath.Join(n.programs.node, binaries.CertManagerCRDs)
}

// ImportImage makes an image and gives it to containerd under a name with a tag, where a pod finds it
// if it pulls none.
func (n *Node) ImportImage(ctx context.Context, name string, contents image.Contents) (err error) {
	img, err := image.New(contents)
	if err != nil {
		return err
	}
	archive := filepath.Join(n.Dir, strings.NewReplacer("/", "_", ":", "_").Replace(name)+".tar")
	if err := image.WriteArchive(archive, name, img); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(archive)) }()
	return n.ImportArchive(ctx, archive)
}

// ImportArchive gives containerd an image from a file.
func (n *Node) ImportArchive(ctx context.Context, archive string) error {
	out, err := exec.CommandContext(ctx, "ctr", "--address", containerdSocket, "--namespace", "k8s.io", "images", "import", archive).CombinedOutput()
	if err != nil {
		return fmt.Errorf("import %s: %w\n%s", archive, err, out)
	}
	return nil
}

// Dial attempts connections from a pod, with the nettool in its only container, and returns what
// nettool says of each target, in their order.
func (n *Node) Dial(ctx context.Context, namespace, pod string, targets ...string) ([]string, error) {
	args := append([]string{"exec", "--namespace", namespace, pod, "--", "/usr/local/bin/nettool", "dial", dialTimeout}, targets...)
	out, _, err := n.Kubectl(ctx, "", args...)
	if err != nil {
		return nil, err
	}
	return results(out, targets)
}

// DialFromOutside attempts connections from an address of the machine outside.
func (n *Node) DialFromOutside(ctx context.Context, from string, targets ...string) ([]string, error) {
	args := append([]string{"netns", "exec", outside, n.Nettool, "dial", "-from", from, dialTimeout}, targets...)
	out, err := exec.CommandContext(ctx, "ip", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("dial from outside: %w", err)
	}
	return results(string(out), targets)
}

// ServeOutside answers on ports ("tcp/80") of each address of the machine outside until the end.
func (n *Node) ServeOutside(ctx context.Context, ports ...string) error {
	args := []string{"netns", "exec", outside, n.Nettool, "serve"}
	for _, address := range OutsideAddresses() {
		for _, port := range ports { // one by one: datagrams are answered from the address that was asked
			protocol, number, _ := strings.Cut(port, "/")
			args = append(args, fmt.Sprintf("%s/%s:%s", protocol, address, number))
		}
	}
	ip, err := exec.LookPath("ip")
	if err != nil {
		return err
	}
	return n.Launch(ctx, controlplane.Program{Path: ip, Args: args})
}

// dialTimeout is how long nettool waits for an answer. Blocked packets are dropped, so each blocked
// target takes that long, all targets of a call together.
const dialTimeout = "2s"

func results(out string, targets []string) ([]string, error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(targets) {
		return nil, fmt.Errorf("nettool printed %d lines for %d targets:\n%s", len(lines), len(targets), out)
	}
	for i, target := range targets {
		rest, ok := strings.CutPrefix(lines[i], target+" ")
		if !ok {
			return nil, fmt.Errorf("nettool printed %q for %s", lines[i], target)
		}
		lines[i] = rest
	}
	return lines, nil
}

// ready returns nil once the API server has the node as ready.
func (n *Node) ready(ctx context.Context) error {
	node, err := n.Client.CoreV1().Nodes().Get(ctx, Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			if condition.Status == corev1.ConditionTrue {
				return nil
			}
			return fmt.Errorf("node %s is not ready: %s", Name, condition.Message)
		}
	}
	return fmt.Errorf("node %s: kubelet has not said anything yet", Name)
}

// answers returns a check that a URL answers 200.
func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, response.Status)
		}
		return nil
	}
}
