package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/server"
)

// replica is a podcullis-webhook process.
type replica struct {
	address, metrics, probes, logFile string

	*server.Process
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

// build makes the binary, once, unless whoever runs this test has made it.
func build(t *testing.T) string {
	t.Helper()
	if shared.webhook != "" {
		return shared.webhook
	}
	return server.Build(t, shared.dir)
}

// launch starts a replica; at the test's end it is killed.
func (c cluster) launch(t *testing.T, o replicaOptions) *replica {
	t.Helper()
	if o.kubeconfig == "" && o.manifests == "" {
		o.kubeconfig = c.Kubeconfig
	}
	dir := t.TempDir()
	r := &replica{address: freeAddress(t), metrics: freeAddress(t), probes: freeAddress(t), logFile: filepath.Join(dir, "log")}
	if o.host != "" {
		r.address = net.JoinHostPort(o.host, "9443")
	}
	source := []string{"--kubeconfig", o.kubeconfig}
	if o.manifests != "" {
		source = []string{"--cluster-manifests", o.manifests}
	}
	args := append(source,
		"--cert-dir", o.certs,
		"--bind-address", r.address, "--metrics-bind-address", r.metrics, "--health-probe-bind-address", r.probes,
		"--config", repository(t, "examples", "shop-guardrails.yaml"), "--log-level", "warn",
	)
	r.Process = server.Start(t, server.Command{
		Binary: build(t), Args: append(args, o.args...), Env: o.env, LogFile: r.logFile, Stderr: o.stderr, Within: o.within, Cgroup: o.cgroup,
	})
	server.ShowLog(t, r.logFile)
	t.Cleanup(r.Kill)
	if !o.unready {
		r.AwaitReady(t, r.probes)
	}
	return r
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

// alive fails the test when the process is gone.
func (r *replica) alive(t *testing.T) {
	t.Helper()
	select {
	case <-r.Exited():
		t.Errorf("the webhook ended: %v", r.Err())
	default:
	}
}

// peakMemory is the most that the process ever had in memory, in MiB.
func (r *replica) peakMemory(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Cmd.Process.Pid))
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
	c.registerAs(t, server.At(address, ca), policy)
}

func (c cluster) registerAs(t *testing.T, config admissionregistrationv1.WebhookClientConfig, policy admissionregistrationv1.FailurePolicyType) {
	t.Helper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: configurationName},
		Webhooks:   []admissionregistrationv1.ValidatingWebhook{server.Entry("chaos.podcullis.io", config, policy, "kube-system", "podcullis")},
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

// pause waits for some of a fault's time to pass; nothing else can be waited for.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	case <-time.After(d):
	}
}
