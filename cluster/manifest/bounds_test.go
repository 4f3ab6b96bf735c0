package manifest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
)

// What is too much to be read is an error for whoever checks it, and a note for whoever
// takes the files for a cluster.
func TestTooMuchToBeReadIsToldByItsLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "netpol.yaml")
	text := "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: giant, namespace: shop}\nspec:\n  podSelector: {}\n  ingress:\n  - from:\n" +
		strings.Repeat("    - podSelector: {}\n", 101)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in := manifest.Input{Sources: []string{file}, Bounds: cluster.Bounds{Netpol: 100}}
	want := "101 peers, and at most 100 are read"
	if _, err := manifest.Read(in); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file+":5") && !strings.Contains(err.Error(), file+":4") {
		t.Errorf("got %v, want the file, the line and %q", err, want)
	}
	in.Stored = true
	set, err := manifest.Read(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Objects) != 1 || len(set.Notes) != 1 || !strings.Contains(set.Notes[0].Text, want) {
		t.Errorf("%d objects and notes %v, want the netpol and a note", len(set.Objects), set.Notes)
	}
}
