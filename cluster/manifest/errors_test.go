package manifest_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/podcullis/podcullis/cluster/manifest"
)

var update = flag.Bool("update", false, "rewrite testdata/errors.golden")

func TestErrorTexts(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/errors.txtar")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(extract(t, archive))
	var got strings.Builder
	for _, f := range archive.Files {
		set, err := manifest.Load([]string{f.Name}, nil)
		var all manifest.Errors
		if !errors.As(err, &all) || set != nil {
			t.Errorf("%s: want Errors and no set, got %v and set %v", f.Name, err, set)
			continue
		}
		fmt.Fprintf(&got, "# %s\n%v\n", f.Name, all)
	}
	golden := filepath.Join(wd, "testdata", "errors.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("error texts (-want +got); -update rewrites them:\n%s", diff)
	}
}

// wd is the package's directory: a test may change it.
var wd, _ = os.Getwd()

// extract writes an archive's files to a new directory.
func extract(t *testing.T, a *txtar.Archive) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range a.Files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
