package binaries

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// KubernetesEnv names the environment variable that chooses which Kubernetes is built and run, such
// as 1.36.3. Empty stands for the newest, which go.mod pins.
const KubernetesEnv = "PODCULLIS_KUBERNETES"

// older is what the file names of the pins of a Kubernetes that is not the newest begin with: they
// lie beside go.mod, and go takes them with -modfile. The programs are the same.
const older = "kubernetes-"

// Kubernetes returns the version that KubernetesEnv chooses, such as v1.37.2.
func Kubernetes(root string) (string, error) {
	modfile, err := chosen(root, programsModule)
	if err != nil {
		return "", err
	}
	return pinned(filepath.Join(root, filepath.FromSlash(programsModule), modfile))
}

// chosen returns the name of the file that pins the Kubernetes which KubernetesEnv chooses, in a
// nested module.
func chosen(root, module string) (modfile string, err error) {
	want := strings.TrimPrefix(os.Getenv(KubernetesEnv), "v")
	if want == "" {
		return "go.mod", nil
	}
	dir := filepath.Join(root, filepath.FromSlash(module))
	newest, err := pinned(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	known := []string{strings.TrimPrefix(newest, "v")}
	if want == known[0] {
		return "go.mod", nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		name, isPins := strings.CutSuffix(entry.Name(), ".mod")
		version, isOlder := strings.CutPrefix(name, older)
		if isPins && isOlder {
			known = append(known, version)
		}
	}
	if !slices.Contains(known[1:], want) {
		return "", fmt.Errorf("%s is %s: %s pins %s", KubernetesEnv, want, module, strings.Join(known, " and "))
	}
	return older + want + ".mod", nil
}

// pinned returns the version of k8s.io/kubernetes in a go.mod.
func pinned(goMod string) (string, error) {
	f, err := os.Open(goMod)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(strings.TrimPrefix(lines.Text(), "require "))
		if len(words) >= 2 && words[0] == "k8s.io/kubernetes" {
			return words[1], nil
		}
	}
	return "", fmt.Errorf("%s: no k8s.io/kubernetes", goMod)
}
