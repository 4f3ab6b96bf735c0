package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// checkup is what podcullis doctor -o json writes.
type checkup struct {
	Sections []struct {
		ID, Status string
		Answers    []struct {
			Status, Text, Mend string
			Evidence           []string
		}
	}
}

func (d *checkup) section(t *testing.T, id string) (status, text string) {
	t.Helper()
	for _, s := range d.Sections {
		if s.ID != id {
			continue
		}
		for _, a := range s.Answers {
			text += a.Status + ": " + a.Text + "\n  " + strings.Join(a.Evidence, "\n  ") + "\n"
		}
		return s.Status, text
	}
	t.Fatalf("no section %s", id)
	return "", ""
}

// doctor is the command, ready to be started.
func (c cluster) doctor(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := c.Build(t.Context(), "cmd/podcullis")
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), binary, append([]string{"doctor", "--kubeconfig", c.Kubeconfig, "--probe"}, args...)...)
}

// probing are flags for a cluster without the webhook.
func probing(args ...string) []string {
	return append([]string{"--probe-namespace", "probed", "--probe-image", webhookImage + ":e2e", "--dry-run=false"}, args...)
}

// healthy tells that the doctor finds nothing wrong with an installed webhook that enforces, and
// that its probe's pods are let in.
func (c cluster) healthy(t *testing.T) {
	t.Helper()
	d, _ := c.diagnosed(t)
	for id, parts := range map[string][]string{
		"webhook": {
			"is the one that was installed", "failurePolicy is Fail", "has 2 endpoints that are ready", "is of the CA in the caBundle",
			"The API server asks, and gets an answer: what has to be refused is",
		},
		"probe": {"the network enforces NetworkPolicies, for ingress and for egress"},
	} {
		status, text := d.section(t, id)
		if status != "ok" {
			t.Errorf("%s is %s", id, status)
		}
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %q in\n%s", id, part, text)
			}
		}
	}
}

// diagnosed runs it, and returns its exit code.
func (c cluster) diagnosed(t *testing.T, args ...string) (d checkup, code int) {
	t.Helper()
	command := c.doctor(t, append(args, "-o", "json")...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Log(stderr.String())
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil {
		t.Fatalf("%v\n%s", err, stdout.String())
	}
	return d, command.ProcessState.ExitCode()
}

// probeLeft are the objects of probes that are there.
func (c cluster) probeLeft(ctx context.Context) ([]string, error) {
	out, _, err := c.Kubectl(ctx, "", "get", "jobs,pods,networkpolicies", "-n", "probed", "-l", "podcullis.io/probe", "-o", "name")
	return strings.Fields(out), err
}

// What the network does with packets is what the probe says, and nothing of it is left.
func TestDoctorProbe(t *testing.T) {
	c := start(t)
	c.namespaces(t, "probed")
	c.webhookImage(t)
	// Whoever enforces the restricted Pod Security Standard can probe, too.
	c.kubectl(t, "", "label", "namespace", "probed", "pod-security.kubernetes.io/enforce=restricted")
	none := func(t *testing.T) {
		t.Helper()
		if left, err := c.probeLeft(t.Context()); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
	t.Run("Enforced", func(t *testing.T) {
		d, _ := c.diagnosed(t, probing()...)
		if status, text := d.section(t, "probe"); status != "ok" || !strings.Contains(text, "the network enforces NetworkPolicies, for ingress and for egress") {
			t.Errorf("%s: %s", status, text)
		}
		none(t)
	})
	t.Run("EnforcedBehindADefaultDeny", func(t *testing.T) {
		c.applyNetpols(t, "probed", "- {metadata: {name: all}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}")
		d, _ := c.diagnosed(t, probing()...)
		if status, text := d.section(t, "probe"); status != "ok" {
			t.Errorf("%s: %s", status, text)
		}
		none(t)
	})
	t.Run("Ignored", func(t *testing.T) {
		c.Enforcer.Switch(false)
		defer c.Enforcer.Switch(true)
		c.enforced(t)
		d, code := c.diagnosed(t, probing("--probe-patience", "8s")...)
		if status, text := d.section(t, "probe"); status != "problem" || !strings.Contains(text, "the network ignores NetworkPolicies") || code != 1 {
			t.Errorf("exit code %d, %s: %s", code, status, text)
		}
		none(t)
	})
	c.enforced(t)
	t.Run("NoSuchImage", func(t *testing.T) {
		d, _ := c.diagnosed(t, append(probing(), "--probe-image", "podcullis.test/nothing:1")...)
		if status, text := d.section(t, "probe"); status != "not known" || !strings.Contains(text, "cannot start") {
			t.Errorf("%s: %s", status, text)
		}
		none(t)
	})
	t.Run("Interrupted", func(t *testing.T) {
		c.amid(t, syscall.SIGINT)
		none(t)
	})
	t.Run("Killed", func(t *testing.T) {
		c.amid(t, syscall.SIGKILL)
		await(t, "what a killed probe left to go by itself", func(ctx context.Context) error {
			left, err := c.probeLeft(ctx)
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("left: %v", left)
			}
			return err
		})
	})
}

// amid ends a probe in its middle, when both of its pods are there.
func (c cluster) amid(t *testing.T, signal os.Signal) {
	t.Helper()
	command := c.doctor(t, probing("--probe-patience", "15s", "--probe-timeout", "25s")...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "both pods of the probe", func(ctx context.Context) error {
		left, err := c.probeLeft(ctx)
		if n := strings.Count(strings.Join(left, " "), "pod/"); err == nil && n != 2 {
			err = fmt.Errorf("%d pods", n)
		}
		return err
	})
	if err := command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // it was told to end
}
