package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra/doc"
)

// TestGeneratedReference compares docs/cli with what the commands say of
// themselves; make docs rewrites it.
func TestGeneratedReference(t *testing.T) {
	root := (&program{name: "podcullis", stdout: io.Discard, stderr: io.Discard}).root()
	root.DisableAutoGenTag = true
	root.InitDefaultHelpCmd()
	made, there := t.TempDir(), filepath.Join("..", "..", "docs", "cli")
	if err := doc.GenMarkdownTree(root, made); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.RemoveAll(there); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(there, os.DirFS(made)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(pages(t, made), pages(t, there)); diff != "" {
		t.Errorf("docs/cli is out of date; run make docs (-want +got):\n%s", diff)
	}
}

func pages(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = string(text)
	}
	return out
}
