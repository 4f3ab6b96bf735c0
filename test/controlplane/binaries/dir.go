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

// set is programs that are built together, and that lie in a folder of their own.
type set struct {
	cache    string // the folder of all its builds, below .cache
	override string // the environment variable that names another folder; empty for none
	recipe   string // part of the key; raise it when what is done with the same sources changes

	kubernetes string   // the nested module of the programs that pin Kubernetes
	sources    []string // what else is built from
}

// Where the nested modules are, relative to the root of the repository.
const (
	programsModule = "test/controlplane/programs"
	helmModule     = "test/controlplane/helm"
)

func controlPlane() set {
	return set{
		cache: "controlplane", override: OverrideEnv, recipe: "1", kubernetes: programsModule,
		sources: []string{
			helmModule + "/go.mod",
			helmModule + "/go.sum",
		},
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

// Dir returns the folder the programs of a control plane belong in, whether or not they were built
// yet: the one OverrideEnv names, or else one in the cache of the repository at root.
func Dir(root string) (string, error) { return controlPlane().dir(root) }

func (s set) dir(root string) (string, error) {
	if dir := s.overridden(); dir != "" {
		return filepath.Abs(dir)
	}
	key, err := s.key(root)
	if err != nil {
		return "", err
	}
	return filepath.Join(s.cacheIn(root), key, "bin"), nil
}

func (s set) overridden() string {
	if s.override == "" {
		return ""
	}
	return os.Getenv(s.override)
}

func (s set) cacheIn(root string) string { return filepath.Join(root, ".cache", s.cache) }

// Present reports whether dir, a result of Dir or NodeDir, is there.
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
func (s set) key(root string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, s.recipe, runtime.GOOS, runtime.GOARCH)
	all, err := s.files(root)
	if err != nil {
		return "", err
	}
	for _, name := range all {
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, name, len(content))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// files lists everything the programs are built from, relative to root.
func (s set) files(root string) ([]string, error) {
	modfile, err := chosen(root, s.kubernetes)
	if err != nil {
		return nil, err
	}
	at := s.kubernetes + "/"
	return append([]string{at + modfile, at + strings.TrimSuffix(modfile, ".mod") + ".sum", at + "main.go"}, s.sources...), nil
}
