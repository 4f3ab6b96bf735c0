package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestGatekeeperLibrary runs the suites of a checkout of the Gatekeeper library, which
// GATEKEEPER_LIBRARY names: all cases of all suites pass.
func TestGatekeeperLibrary(t *testing.T) {
	root := os.Getenv("GATEKEEPER_LIBRARY")
	if root == "" {
		t.Skip("GATEKEEPER_LIBRARY names no checkout of the Gatekeeper library")
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"test", filepath.Join(root, "library"), "-o", "json"}, nil, &out, &errs); code != 0 {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	var report struct {
		Items []struct{ File, Package, Name, Outcome, Error string }
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	suites := map[string]bool{}
	for _, x := range report.Items {
		suites[x.File] = true
		if x.Outcome != "pass" {
			t.Errorf("%s: %s: %s %s", x.File, x.Name, x.Outcome, x.Error)
		}
	}
	t.Logf("%d cases of %d suites", len(report.Items), len(suites))
	if len(suites) < 49 || len(report.Items) < 270 {
		t.Errorf("ran %d cases of %d suites, want 270 of 49 at least", len(report.Items), len(suites))
	}
}
