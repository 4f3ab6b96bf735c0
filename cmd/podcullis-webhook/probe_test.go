package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/doctor/probe/packets"
)

// The errand of a probe's pod ends well whatever it saw, and leaves that where it is told to.
func TestProbeReports(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report")
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"--probe-connect=127.78.0.1", "--probe-patience=300ms", "--probe-report=" + report, "--probe-listen=127.78.0.1:8083"}, &stdout, &stderr)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var o packets.Outcome
	if err := json.Unmarshal(text, &o); err != nil || o.Reached || strings.TrimSpace(stdout.String()) != string(text) {
		t.Errorf("%v: %s, on standard output %s", err, text, stdout.String())
	}
}

func TestProbeFlagsThatDoNotHold(t *testing.T) {
	for flags, want := range map[string]string{
		"--probe-listen=8080":                        `--probe-listen must be host:port, got "8080"`,
		"--probe-connect=example.com":                `--probe-connect must be an IP address, got "example.com"`,
		"--probe-connect=::1 --probe-patience=0s":    "--probe-patience must be positive, got 0s",
		"--probe-connect=::1 --canary=default":       "stand alone",
		"--probe-report=/tmp/x":                      "--probe-report needs --probe-connect",
		"--probe-listen=:1 --remove=secrets/a/b --x": "unknown flag: --x",
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(flags), &stdout, &stderr); code != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit code %d, %s", flags, code, stderr.String())
		}
	}
}
