package controlplane

import (
	"os"
	"testing"

	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

// RequireEnv names the environment variable that, set to 1, makes a test fail rather than be
// skipped where the programs were never built.
const RequireEnv = "PODCULLIS_REQUIRE_CONTROL_PLANE"

// Bin returns the folder with the programs of a control plane, kubectl and helm. Where they were
// never built it skips the test and says how to build them.
func Bin(tb testing.TB) string {
	tb.Helper()
	root, err := binaries.Root(".")
	if err != nil {
		tb.Fatal(err)
	}
	dir, err := binaries.Dir(root)
	if err != nil {
		tb.Fatal(err)
	}
	present, err := binaries.Present(dir)
	switch {
	case err != nil:
		tb.Fatal(err)
	case present:
	case os.Getenv(RequireEnv) == "1":
		tb.Fatalf("no control plane in %s; build it: %s", dir, binaries.BuildCommand)
	default:
		tb.Skipf("no control plane in %s; build it: %s", dir, binaries.BuildCommand)
	}
	return dir
}

// Start starts a control plane for a test, or skips the test as Bin does. It is stopped when the
// test and its subtests are over. A program that ended on its own fails the test.
func Start(tb testing.TB, options Options) *ControlPlane {
	tb.Helper()
	bin := Bin(tb)
	dir := tb.TempDir() // before Cleanup: removed after the programs are stopped
	c, err := Run(tb.Context(), bin, dir, options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Stop(); err != nil {
			tb.Errorf("stop control plane: %v", err)
		}
	})
	return c
}
