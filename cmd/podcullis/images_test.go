package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestGeneratedImages compares the drawings in docs/images with what the commands draw
// that docs/pictures.md names; make docs draws them anew. The screenshot beside them is
// made by make images, with a browser.
func TestGeneratedImages(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	for file, args := range map[string][]string{
		"docs/images/shop.svg":   {"-f", "examples/shop", "--config", "examples/shop-guardrails.yaml", "--title", "The shop"},
		"docs/images/change.svg": {"-f", "examples/shop-after", "--before", "examples/shop", "--config", "examples/shop-guardrails.yaml", "--only", "changed", "--title", "What the change opens and closes"},
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var out, said bytes.Buffer
			if code := run(t.Context(), append([]string{"graph", "-o", "svg"}, args...), nil, &out, io.MultiWriter(&said)); code != clean {
				t.Fatalf("exit code %d: %s", code, &said)
			}
			if *update {
				if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			there, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(there, out.Bytes()) {
				t.Errorf("%s is out of date; run make docs", file)
			}
		})
	}
}
