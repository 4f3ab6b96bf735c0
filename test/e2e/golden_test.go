package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// generated are the names that the API server and the controllers make up, and
// when and where a client's log line was written.
var generated = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`\b([a-z]+)-[0-9a-f]{8,10}-[a-z0-9]{5}\b`), "$1-HASH-RANDOM"}, // pods of a Deployment
	{regexp.MustCompile(`\b(named-by-server-)[a-z0-9]{5}\b`), "${1}RANDOM"},
	{regexp.MustCompile(`\b([a-z]+)-[0-9a-f]{8,10}\b`), "$1-HASH"},                               // ReplicaSets
	{regexp.MustCompile(`(?m)^([IWE])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ (\w+\.go):\d+\]`), "$1 $2]"}, // klog, in Helm
}

// fixed has names instead of those that are made up.
func fixed(said string) string {
	for _, g := range generated {
		said = g.pattern.ReplaceAllString(said, g.name)
	}
	return said
}

// golden compares what a program said with testdata/golden/<name>.txt.
func golden(t *testing.T, name, said string) {
	t.Helper()
	said = fixed(said)
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		write(t, path, []byte(said))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; it said:\n%s", err, said)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(said, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// refused runs a kubectl command that the webhook must refuse, and compares what
// it says with a golden file.
func (c cluster) refused(t *testing.T, name, stdin string, args ...string) {
	t.Helper()
	c.refusedAs(t, name, func(text string) string { return text }, stdin, args...)
}

// refusedAs leaves it to a function what of the text is to be in the file.
func (c cluster) refusedAs(t *testing.T, name string, of func(string) string, stdin string, args ...string) {
	t.Helper()
	stdout, stderr, err := c.Kubectl(t.Context(), stdin, args...)
	if err == nil {
		t.Errorf("kubectl %s passed, and should be refused: %s%s", strings.Join(args, " "), stdout, stderr)
		return
	}
	if !strings.Contains(stderr, webhookName) {
		t.Errorf("kubectl %s was not refused by the webhook: %s", strings.Join(args, " "), stderr)
		return
	}
	golden(t, name, of(stderr))
}

// withoutWarnings is for changes that follow each other at once: a warning tells what is
// left, and whether that shows yet.
func withoutWarnings(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "Warning: ") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}
