package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/webhook"
)

// replica is a podcullis-webhook process.
type replica struct {
	address, metrics, probes, logFile string

	cmd    *exec.Cmd
	exited chan struct{}
	err    error // how it ended, once exited is closed
}

// replicaOptions are what a replica can differ in.
type replicaOptions struct {
	kubeconfig string // the admin's if empty
	manifests  string // the cluster's files, for a replica without an API server
	certs      string // directory
	host       string // listen there, not on 127.0.0.1
	ca         []byte // its bundle, where the replica is registered
	args, env  []string
	unready    bool   // do not wait until it is ready
	cgroup     string // the cgroup.procs of the one to be in
	// within is a command that runs the replica, with what it is given after its own arguments.
	within []string
	stderr *os.File // instead of a file of the log
}

// build makes the binary, once.
func build(t *testing.T) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.webhook == "" {
		path := filepath.Join(shared.dir, "podcullis-webhook")
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/podcullis-webhook")
		cmd.Dir = repository(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the webhook: %v\n%s", err, out)
		}
		shared.webhook = path
	}
	return shared.webhook
}

// launch starts a replica; at the test's end it is killed.
func (c cluster) launch(t *testing.T, o replicaOptions) *replica {
	t.Helper()
	if o.kubeconfig == "" && o.manifests == "" {
		o.kubeconfig = c.Kubeconfig
	}
	dir := t.TempDir()
	r := &replica{address: freeAddress(t), metrics: freeAddress(t), probes: freeAddress(t), logFile: filepath.Join(dir, "log"), exited: make(chan struct{})}
	if o.host != "" {
		r.address = net.JoinHostPort(o.host, "9443")
	}
	log, err := os.Create(r.logFile)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the process has its own descriptor
	source := []string{"--kubeconfig", o.kubeconfig}
	if o.manifests != "" {
		source = []string{"--cluster-manifests", o.manifests}
	}
	args := append(source,
		"--cert-dir", o.certs,
		"--bind-address", r.address, "--metrics-bind-address", r.metrics, "--health-probe-bind-address", r.probes,
		"--config", repository(t, "examples", "shop-guardrails.yaml"), "--log-level", "warn",
	)
	line := append(append(slices.Clone(o.within), build(t)), append(args, o.args...)...)
	r.cmd = exec.CommandContext(context.Background(), line[0], line[1:]...)
	if o.cgroup != "" {
		r.cmd = exec.CommandContext(context.Background(), "sh", append([]string{"-c", `echo $$ >"$0" && exec "$@"`, o.cgroup}, r.cmd.Args...)...)
	}
	r.cmd.Stdout, r.cmd.Stderr = log, log
	if o.stderr != nil {
		r.cmd.Stderr = o.stderr
	}
	r.cmd.Env = append([]string{"HOME=" + dir, "TMPDIR=" + dir}, o.env...)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.err = r.cmd.Wait(); close(r.exited) }()
	t.Cleanup(func() {
		r.kill()
		if t.Failed() {
			text, _ := os.ReadFile(r.logFile)
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			t.Logf("the end of the log of %s:\n%s", r.address, strings.Join(lines[max(0, len(lines)-15):], "\n"))
		}
	})
	if !o.unready {
		r.awaitReady(t)
	}
	return r
}

func (r *replica) awaitReady(t *testing.T) {
	t.Helper()
	await(t, "the webhook to be ready", func(ctx context.Context) error {
		select {
		case <-r.exited:
			text, _ := os.ReadFile(r.logFile)
			t.Fatalf("the webhook ended: %v\n%s", r.err, text)
		default:
		}
		_, err := get(ctx, "http://"+r.probes+"/readyz")
		return err
	})
}

// awaitListening waits until the replica answers anything at all.
func (r *replica) awaitListening(t *testing.T) {
	t.Helper()
	await(t, "the webhook to listen", func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// terminate sends SIGTERM; done is closed when the process is gone.
func (r *replica) terminate() (done <-chan struct{}) {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	return r.exited
}

// kill is kill -9.
func (r *replica) kill() {
	_ = r.cmd.Process.Kill()
	<-r.exited
}

// alive fails the test when the process is gone.
func (r *replica) alive(t *testing.T) {
	t.Helper()
	select {
	case <-r.exited:
		t.Errorf("the webhook ended: %v", r.err)
	default:
	}
}

// peakMemory is the most that the process ever had in memory, in MiB.
func (r *replica) peakMemory(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		t.Logf("peak memory is not known: %v", err)
		return 0
	}
	var kib int64
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, _ = fmt.Sscan(rest, &kib)
		}
	}
	return kib >> 10
}

const configurationName = "podcullis-chaos"

// register makes the API server ask whoever listens at the address.
func (c cluster) register(t *testing.T, address string, ca []byte, policy admissionregistrationv1.FailurePolicyType) {
	t.Helper()
	c.registerAs(t, admissionregistrationv1.WebhookClientConfig{URL: ptr("https://" + address + "/validate"), CABundle: ca}, policy)
}

func (c cluster) registerAs(t *testing.T, config admissionregistrationv1.WebhookClientConfig, policy admissionregistrationv1.FailurePolicyType) {
	t.Helper()
	var rules []admissionregistrationv1.RuleWithOperations
	for _, door := range webhook.Resources() {
		group, resource, _ := strings.Cut(door, "/")
		rules = append(rules, admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{"CREATE", "UPDATE", "DELETE"},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: []string{resource}, Scope: ptr(admissionregistrationv1.AllScopes)},
		})
	}
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: configurationName},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name:                    "chaos.podcullis.io",
			ClientConfig:            config,
			Rules:                   rules,
			FailurePolicy:           &policy,
			MatchPolicy:             ptr(admissionregistrationv1.Equivalent),
			SideEffects:             ptr(admissionregistrationv1.SideEffectClassNone),
			TimeoutSeconds:          ptr(int32(10)),
			AdmissionReviewVersions: []string{"v1"},
			NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"kube-system", "podcullis"}},
			}},
		}},
	}
	api := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if _, err := api.Create(t.Context(), configuration, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.unregister(t) })
	await(t, "the webhook to be in force", func(ctx context.Context) error {
		if c.tries(ctx, forbidden) != right {
			return errors.New("the forbidden netpol is not refused")
		}
		return nil
	})
}

func (c cluster) unregister(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(ctx, configurationName, metav1.DeleteOptions{}); err != nil {
		t.Error(err)
		return
	}
	err := controlplane.Await(ctx, "the webhook to be out of force", func(ctx context.Context) error {
		if c.tries(ctx, forbidden) != wrong {
			return errors.New("it is still asked")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// freeAddress is a loopback address on which nothing listens now, and that no other test
// was given.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := controlplane.ChaosPorts.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return string(body), err
}

// pause waits for some of a fault's time to pass; nothing else can be waited for.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	case <-time.After(d):
	}
}
