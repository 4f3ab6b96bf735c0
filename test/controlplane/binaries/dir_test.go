package binaries

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestDirFollowsThePins(t *testing.T) {
	t.Setenv(OverrideEnv, "")
	t.Setenv(KubernetesEnv, "")
	all, err := controlPlane().files(fakeRepository(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, changed := range all {
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
	t.Setenv(KubernetesEnv, "")
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

func TestKubernetesIsTheNewestOrTheChosen(t *testing.T) {
	t.Setenv(OverrideEnv, "")
	root := fakeRepository(t)
	t.Setenv(KubernetesEnv, "")
	newest := dir(t, root)
	for chosen, want := range map[string]string{"": "v1.99.0", "1.99.0": "v1.99.0", "v1.99.0": "v1.99.0", "1.98.1": "v1.98.1", "v1.98.1": "v1.98.1"} {
		t.Setenv(KubernetesEnv, chosen)
		if got, err := Kubernetes(root); err != nil || got != want {
			t.Errorf("%q: got %s and %v, want %s", chosen, got, err, want)
		}
		if same := dir(t, root) == newest; same != (want == "v1.99.0") {
			t.Errorf("%q: in the folder of the newest: %t", chosen, same)
		}
	}
}

func TestKubernetesThatNothingPins(t *testing.T) {
	t.Setenv(OverrideEnv, "")
	t.Setenv(KubernetesEnv, "1.12.0")
	_, err := Dir(fakeRepository(t))
	const want = KubernetesEnv + " is 1.12.0: " + programsModule + " pins 1.99.0 and 1.98.1"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func fakeRepository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "module "+mainModule+"\n")
	for _, module := range []string{programsModule, helmModule} {
		for _, name := range []string{"go.mod", "go.sum", "main.go"} {
			write(t, filepath.Join(root, module, name), "module "+name+"\n")
		}
	}
	for file, version := range map[string]string{"go.mod": "v1.99.0", "kubernetes-1.98.1.mod": "v1.98.1", "kubernetes-1.98.1.sum": ""} {
		write(t, filepath.Join(root, programsModule, file), "require (\n\tk8s.io/kubernetes "+version+"\n)\n")
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
