package chart

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/server"
)

var update = flag.Bool("update", false, "rewrite testdata")

// patience is how long a condition may take to come true on a busy machine.
const patience = time.Minute

// buildWebhook makes the binary.
func buildWebhook(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "podcullis-webhook")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../cmd/podcullis-webhook").CombinedOutput(); err != nil {
		t.Fatalf("build the webhook: %v\n%s", err, out)
	}
	return path
}

// runWebhook runs the server until the end of the test, and returns where its probes are.
func runWebhook(t *testing.T, args ...string) (probes string) {
	t.Helper()
	probes = freeAddress(t)
	var said bytes.Buffer
	cmd := exec.CommandContext(context.Background(), buildWebhook(t), append([]string{
		"--bind-address=127.0.0.1:0", "--metrics-bind-address=0", "--health-probe-bind-address=" + probes, "--drain-timeout=100ms",
	}, args...)...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil || t.Failed() {
			t.Errorf("the webhook: %v\n%s", err, said.String())
		}
	})
	return probes
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func awaitReady(t *testing.T, probes string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return controlplane.Await(ctx, "the webhook to be ready", func(ctx context.Context) error {
		_, err := server.Get(ctx, "http://"+probes+"/readyz")
		return err
	})
}

// awaitMetric waits for a line of /metrics.
func awaitMetric(t *testing.T, address, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := controlplane.Await(ctx, line, func(ctx context.Context) error {
		text, err := server.Get(ctx, "http://"+address+"/metrics")
		if err == nil && !strings.Contains("\n"+text, "\n"+line+"\n") {
			err = errors.New("not there")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// runErrand runs the binary to its end, which has to be a good one.
func runErrand(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), buildWebhook(t), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
