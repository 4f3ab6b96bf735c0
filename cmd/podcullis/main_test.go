package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"podcullis": main, "kubectl-podcullis": main})
}

// One script a promise of the command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			if err := os.CopyFS(filepath.Join(e.WorkDir, "charts"), os.DirFS("../../charts")); err != nil {
				return err
			}
			return os.CopyFS(filepath.Join(e.WorkDir, "examples"), os.DirFS("../../examples"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a program and checks its exit code: exits CODE PROGRAM ARGS...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// The command line reads a cluster and follows none: it links no manager and none of our
// watches. What the webhook's judge brings along (docs/adr/0031-judge-offline.md) is linked
// and not run.
func TestLinks(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		for _, banned := range []string{
			"sigs.k8s.io/controller-runtime/pkg/manager", "sigs.k8s.io/controller-runtime/pkg/cache", "sigs.k8s.io/controller-runtime/pkg/client",
			"github.com/podcullis/podcullis/cluster/live", "github.com/podcullis/podcullis/ledger/lease", "github.com/podcullis/podcullis/breach",
		} {
			if dep == banned || strings.HasPrefix(dep, banned+"/") {
				t.Errorf("podcullis must not link %s", dep)
			}
		}
	}
}
