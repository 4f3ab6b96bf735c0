package binaries

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestDirFollowsThePins(t *testing.T) {
	t.Setenv(OverrideEnv, "")
	for _, changed := range controlPlane().sources {
		t.Run(changed, func(t *testing.T) {
			root := fakeRepository(t)
			before := dir(t, root)
			if again := dir(t, root); again != before {
				t.Errorf("same sources: got %s, then %s", before, again)
			}
			write(t, filepath.Join(root, changed), "changed")
			if after := dir(t, root); after == before {
				t.Errorf("%s changed: still %s", changed, after)
			}
		})
	}
}

func TestBuildLeavesWhatIsThereAlone(t *testing.T) {
	t.Setenv(OverrideEnv, "")
	root := fakeRepository(t)
	want := dir(t, root)
	if err := os.MkdirAll(want, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := Build(t.Context(), root, io.Discard); err != nil || got != want {
		t.Errorf("got %s and %v, want %s", got, err, want)
	}
}

func TestOverrideIsTakenAsItIs(t *testing.T) {
	root, own := fakeRepository(t), t.TempDir()
	t.Setenv(OverrideEnv, own)
	if got, err := Build(t.Context(), root, io.Discard); err != nil || got != own {
		t.Errorf("got %s and %v, want %s", got, err, own)
	}
	t.Setenv(OverrideEnv, filepath.Join(own, "absent"))
	if got, err := Build(t.Context(), root, io.Discard); err == nil {
		t.Errorf("a folder that is absent: got %s, want an error", got)
	}
}

func TestRootPassesNestedModulesOver(t *testing.T) {
	root := fakeRepository(t)
	nested := filepath.Join(root, programsModule)
	write(t, filepath.Join(nested, "go.mod"), "module "+mainModule+"/"+programsModule+"\n")
	if got, err := Root(nested); err != nil || got != root {
		t.Errorf("got %s and %v, want %s", got, err, root)
	}
	if got, err := Root(t.TempDir()); err == nil {
		t.Errorf("outside of a repository: got %s, want an error", got)
	}
}

func fakeRepository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "module "+mainModule+"\n")
	for _, name := range controlPlane().sources {
		write(t, filepath.Join(root, name), "module "+name+"\n")
	}
	return root
}

func dir(t *testing.T, root string) string {
	t.Helper()
	dir, err := Dir(root)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
