package server

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

var built struct {
	sync.Mutex
	in map[string]string // directory -> binary
}

// Build makes the binary in dir, once, and returns its path.
func Build(t testing.TB, dir string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if path, ok := built.in[dir]; ok {
		return path
	}
	path := filepath.Join(dir, "podcullis-webhook")
	if err := build(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if built.in == nil {
		built.in = map[string]string{}
	}
	built.in[dir] = path
	return path
}

func build(ctx context.Context, path string) error {
	root, err := binaries.Root(".")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "grpcnotrace", "-o", path, "./cmd/podcullis-webhook")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the webhook: %w\n%s", err, out)
	}
	return nil
}
