package binaries

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// allInOne is the file name of the binary that the names of the control plane's programs link to.
const allInOne = "kubernetes"

// Build returns Dir(root) once the programs are in it. It builds them if they are missing, which
// takes minutes the first time, and tells progress what is going on. It returns at once when they
// are there. Two builds at the same time are wasteful but harmless.
func Build(ctx context.Context, root string, progress io.Writer) (string, error) {
	return controlPlane().build(root, progress, func(bin string) error {
		fmt.Fprintln(progress, "Building etcd, Kubernetes, kubectl and Helm for tests.")
		fmt.Fprintln(progress, "The first time this takes 10 to 15 minutes on two cores; later builds use Go's build cache.")
		if err := buildControlPlane(ctx, root, bin, progress); err != nil {
			return fmt.Errorf("build the control plane: %w", err)
		}
		return nil
	})
}

// build calls compile with a folder that becomes that of the set when all is in it.
func (s set) build(root string, progress io.Writer, compile func(bin string) error) (dir string, err error) {
	dir, err = s.dir(root)
	if err != nil {
		return "", err
	}
	present, err := Present(dir)
	if err != nil || present {
		return dir, err
	}
	if s.overridden() != "" {
		return "", fmt.Errorf("%s: no folder %s", s.override, dir)
	}
	started := time.Now()
	if err := os.MkdirAll(s.cacheIn(root), 0o755); err != nil {
		return "", err
	}
	workDir, err := os.MkdirTemp(s.cacheIn(root), "building-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(workDir)) }()
	if err := compile(filepath.Join(workDir, filepath.Base(dir))); err != nil {
		return "", err
	}
	if err := os.Chmod(workDir, 0o755); err != nil { // MkdirTemp made it for us alone
		return "", err
	}
	if err := os.Rename(workDir, filepath.Dir(dir)); err != nil {
		if present, _ := Present(dir); !present {
			return "", err
		}
		// Another build was faster. What it made is the same.
	}
	fmt.Fprintf(progress, "Built in %s.\n", time.Since(started).Round(time.Second))
	return dir, nil
}

func buildControlPlane(ctx context.Context, root, bin string, progress io.Writer) error {
	kubernetes, err := kubernetesModule(root, programsModule, progress)
	if err != nil {
		return err
	}
	if err := kubernetes.compileKubernetes(ctx, filepath.Join(bin, allInOne)); err != nil {
		return err
	}
	helm := module{dir: filepath.Join(root, filepath.FromSlash(helmModule)), progress: progress}
	version, err := helm.version(ctx, "helm.sh/helm/v4")
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "Helm %s:\n", version)
	stamps := []string{"helm.sh/helm/v4/internal/version.version=" + version}
	return helm.compile(ctx, "helm.sh/helm/v4/cmd/helm", filepath.Join(bin, "helm"), stamps)
}

// kubernetesModule is a nested module with the pins of the Kubernetes that was chosen.
func kubernetesModule(root, path string, progress io.Writer) (module, error) {
	modfile, err := chosen(root, path)
	return module{dir: filepath.Join(root, filepath.FromSlash(path)), modfile: modfile, progress: progress}, err
}

// compileKubernetes builds the module's own main package, which is several programs of Kubernetes,
// and links their names beside it.
func (m module) compileKubernetes(ctx context.Context, file string) error {
	version, err := m.version(ctx, "k8s.io/kubernetes")
	if err != nil {
		return err
	}
	fmt.Fprintf(m.progress, "Kubernetes %s:\n", version)
	if err := m.compile(ctx, ".", file, kubernetesStamps(version)); err != nil {
		return err
	}
	return link(ctx, file)
}

// kubernetesStamps are the variables that Kubernetes' own build sets. Without them the server
// calls itself v0.0.0 and the kubeVersion constraint of a chart fails.
func kubernetesStamps(version string) []string {
	numbers := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	var stamps []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		stamps = append(stamps,
			pkg+".gitVersion="+version,
			pkg+".gitMajor="+numbers[0],
			pkg+".gitMinor="+numbers[1],
			pkg+".gitTreeState=clean",
		)
	}
	return stamps
}

// link gives a binary of several programs every name it answers to.
func link(ctx context.Context, file string) error {
	names, err := exec.CommandContext(ctx, file, "-names").Output()
	if err != nil {
		return fmt.Errorf("%s -names: %w", filepath.Base(file), err)
	}
	for _, name := range strings.Fields(string(names)) {
		if err := os.Symlink(filepath.Base(file), filepath.Join(filepath.Dir(file), name)); err != nil {
			return err
		}
	}
	return nil
}
