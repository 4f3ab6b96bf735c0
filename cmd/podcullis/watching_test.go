package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// watching is `podcullis test --watch` in a process of its own.
type watching struct {
	t     *testing.T
	cmd   *exec.Cmd
	dir   string
	lines chan string
}

const (
	teamLabel = `# METADATA
# title: A team for every pod
# description: Pods carry the label team.
# custom: {severity: low, kinds: [Pod]}
package guardrails.team_label

violation contains {"msg": "no team", "details": {}} if {
	not input.request.object.metadata.labels.team
}
`
	teamSuite = `apiVersion: podcullis.io/v1alpha1
kind: Suite
guardrail: team-label
cluster: cluster/all.yaml
tests:
- name: no team
  create: {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: [{name: main, image: 'x:1'}]}}
  assertions: [{verdict: denied}]
`
)

func watch(t *testing.T, args ...string) *watching {
	t.Helper()
	w := &watching{t: t, dir: t.TempDir()}
	w.write("g/team_label.rego", teamLabel)
	w.write("g/team_suite.yaml", teamSuite)
	w.write("g/cluster/all.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
	return watchIn(t, w.dir, append([]string{"test", "--watch", "g"}, args...)...)
}

// watchIn begins to watch in a folder.
func watchIn(t *testing.T, dir string, args ...string) *watching {
	t.Helper()
	w := &watching{t: t, dir: dir, lines: make(chan string, 1000)}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.cmd = exec.CommandContext(t.Context(), self)
	w.cmd.Args = append([]string{"podcullis"}, args...) // by which TestMain knows the program
	w.cmd.Dir = w.dir
	out, in := io.Pipe()
	w.cmd.Stdout, w.cmd.Stderr = in, in
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			w.lines <- s.Text()
		}
	}()
	t.Cleanup(func() { _ = w.cmd.Process.Kill() })
	return w
}

func (w *watching) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// run waits for the end of the next run, and gives what is said until then.
func (w *watching) run() string {
	w.t.Helper()
	var said []string
	timeout := time.After(time.Minute)
	for {
		select {
		case line := <-w.lines:
			if said = append(said, line); strings.HasPrefix(line, "watching ") {
				return strings.Join(said, "\n")
			}
		case <-timeout:
			w.t.Fatalf("no run within a minute; said:\n%s", strings.Join(said, "\n"))
		}
	}
}

// runs waits for a run that says something: what an editor does may be seen in the middle.
func (w *watching) runs(want ...string) {
	w.t.Helper()
	var all []string
	for range 5 {
		said := w.run()
		all = append(all, said)
		missing := false
		for _, text := range want {
			missing = missing || !strings.Contains(said, text)
		}
		if !missing {
			return
		}
	}
	w.t.Fatalf("no run says %q:\n%s", want, strings.Join(all, "\n"))
}

// end interrupts it, and gives the exit code.
func (w *watching) end() int {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGINT); err != nil {
		w.t.Fatal(err)
	}
	err := w.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return w.cmd.ProcessState.ExitCode()
}

func TestWatch(t *testing.T) {
	w := watch(t)
	w.runs("PASS: 1/1")

	// A guardrail changes, in place.
	w.write("g/team_label.rego", strings.Replace(teamLabel, "not input", "input", 1))
	w.runs("changed: g/team_label.rego", "verdict: got allowed, want denied", "FAIL: 1/1")

	// What does not compile is told, and it goes on.
	w.write("g/team_label.rego", teamLabel+"violation contains {")
	w.runs("error: g/team_label.rego:")

	// An editor that saves by renaming.
	w.write("g/.team_label.rego.swp", teamLabel)
	if err := os.Rename(filepath.Join(w.dir, "g", ".team_label.rego.swp"), filepath.Join(w.dir, "g", "team_label.rego")); err != nil {
		t.Fatal(err)
	}
	w.runs("changed: g/team_label.rego", "PASS: 1/1")

	// A directory that comes, with a suite in it, and what is written there later.
	w.write("g/more/below/more_suite.yaml", strings.ReplaceAll(teamSuite, "cluster: cluster/all.yaml", "namespaces: {shop: {}}"))
	w.runs("changed: g/more/below/more_suite.yaml", "PASS: 2/2")
	w.write("g/more/below/more_suite.yaml", "apiVersion: podcullis.io/v1alpha1\nkind: Suite\ntests: []\n")
	w.runs("error: g/more/below/more_suite.yaml:1: tests: missing")
	if err := os.RemoveAll(filepath.Join(w.dir, "g", "more")); err != nil {
		t.Fatal(err)
	}
	w.runs("PASS: 1/1")

	// The whole directory goes and comes again.
	if err := os.Rename(filepath.Join(w.dir, "g"), filepath.Join(w.dir, "away")); err != nil {
		t.Fatal(err)
	}
	w.runs("error: g: no such file or directory")
	if err := os.Rename(filepath.Join(w.dir, "away"), filepath.Join(w.dir, "g")); err != nil {
		t.Fatal(err)
	}
	w.runs("PASS: 1/1")
	w.write("g/cluster/all.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {a: b}}\n")
	w.runs("changed: g/cluster/all.yaml", "PASS: 1/1")

	// A file of another kind and one that is only touched are nobody's.
	w.write("g/notes.txt", "x")
	w.write("g/team_label.rego", teamLabel)
	w.write("g/team_suite.yaml", strings.Replace(teamSuite, "denied", "allowed", 1))
	if said := w.run(); !strings.Contains(said, "changed: g/team_suite.yaml\n") || !strings.Contains(said, "FAIL: 1/1") {
		t.Errorf("got:\n%s", said)
	}
	if code := w.end(); code != violations {
		t.Errorf("exit code %d, want that of the last run, %d", code, violations)
	}
}

// What a run writes does not start the next one; and the exit code is that of the last run.
func TestWatchOfItsOwnOutput(t *testing.T) {
	w := watch(t, "-o", "text", "-o", "json=g/tests.json")
	w.runs("PASS: 1/1")
	w.write("g/team_suite.yaml", "# another\n"+teamSuite)
	if said := w.run(); !strings.HasPrefix(said, "changed: g/team_suite.yaml\n") {
		t.Errorf("got:\n%s", said)
	}
	if code := w.end(); code != clean {
		t.Errorf("exit code %d, want %d", code, clean)
	}
	w = watch(t)
	w.runs("PASS: 1/1")
	w.write("g/team_suite.yaml", teamSuite+"- {}\n")
	w.runs("error: ")
	if code := w.end(); code != unable {
		t.Errorf("exit code %d, want %d", code, unable)
	}
}
