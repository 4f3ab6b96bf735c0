package binaries

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// OverrideEnv names the environment variable that points at a folder of programs to use as they
// are, instead of the ones built here.
const OverrideEnv = "PODCULLIS_CONTROL_PLANE_BIN"

// BuildCommand builds the programs when typed in the repository.
const BuildCommand = "go run ./test/controlplane/build"

const mainModule = "github.com/podcullis/podcullis"

// recipe is part of the key. Raise it when what Build does with the same sources changes.
const recipe = "1"

// Where the nested modules are, relative to the root of the repository.
const (
	programsModule = "test/controlplane/programs"
	helmModule     = "test/controlplane/helm"
)

func sources() []string {
	return []string{
		programsModule + "/go.mod",
		programsModule + "/go.sum",
		programsModule + "/main.go",
		helmModule + "/go.mod",
		helmModule + "/go.sum",
	}
}

// Root returns the root of the repository that dir is in. Nested modules are passed over.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		name, err := moduleName(filepath.Join(at, "go.mod"))
		switch {
		case err == nil && name == mainModule:
			return at, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		case at == filepath.Dir(at):
			return "", fmt.Errorf("find the repository: no go.mod of %s above %s", mainModule, dir)
		}
	}
}

func moduleName(goMod string) (string, error) {
	f, err := os.Open(goMod)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(name), nil
		}
	}
	return "", fmt.Errorf("%s: no module line", goMod)
}

// Dir returns the folder the programs belong in, whether or not they were built yet: the one
// OverrideEnv names, or else one in the cache of the repository at root.
func Dir(root string) (string, error) {
	if dir := os.Getenv(OverrideEnv); dir != "" {
		return filepath.Abs(dir)
	}
	key, err := key(root)
	if err != nil {
		return "", err
	}
	return filepath.Join(cache(root), key, "bin"), nil
}

func cache(root string) string { return filepath.Join(root, ".cache", "controlplane") }

// Present reports whether dir, a result of Dir, is there.
func Present(dir string) (bool, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, fmt.Errorf("%s: not a folder", dir)
	}
	return true, nil
}

// key hashes everything the programs are built from, bar the compiler.
func key(root string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, recipe, runtime.GOOS, runtime.GOARCH)
	for _, name := range sources() {
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, name, len(content))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}
