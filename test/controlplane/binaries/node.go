package binaries

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// BuildNodeCommand builds the programs of a node when typed in the repository.
const BuildNodeCommand = "go run ./test/node/build"

// Where the nested modules of a node are, relative to the root of the repository.
const (
	nodeModule        = "test/node/programs"
	certManagerModule = "test/node/certmanager"
)

// The names of files in NodeDir, beside kubelet and kube-proxy.
const (
	// CertManager runs the controllers of cert-manager.
	CertManager = "cert-manager"
	// CertManagerCRDs is the folder of cert-manager's CustomResourceDefinitions.
	CertManagerCRDs = "cert-manager-crds"
)

func node() set {
	return set{
		cache: "node", recipe: "1", kubernetes: nodeModule,
		sources: []string{
			certManagerModule + "/go.mod",
			certManagerModule + "/go.sum",
			certManagerModule + "/main.go",
		},
	}
}

// NodeDir returns the folder the programs of a node belong in, whether or not they were built yet.
func NodeDir(root string) (string, error) { return node().dir(root) }

// BuildNode is Build for kubelet, kube-proxy and cert-manager. They are apart from the control plane,
// whose programs most tests are content with.
func BuildNode(ctx context.Context, root string, progress io.Writer) (string, error) {
	return node().build(root, progress, func(bin string) error {
		fmt.Fprintln(progress, "Building kubelet, kube-proxy and cert-manager for tests.")
		fmt.Fprintln(progress, "The first time this takes about 3 minutes on two cores.")
		if err := buildNode(ctx, root, bin, progress); err != nil {
			return fmt.Errorf("build the node: %w", err)
		}
		return nil
	})
}

func buildNode(ctx context.Context, root, bin string, progress io.Writer) error {
	kubernetes, err := kubernetesModule(root, nodeModule, progress)
	if err != nil {
		return err
	}
	if err := kubernetes.compileKubernetes(ctx, filepath.Join(bin, "node")); err != nil {
		return err
	}
	const path = "github.com/cert-manager/cert-manager"
	certManager := module{dir: filepath.Join(root, filepath.FromSlash(certManagerModule)), progress: progress}
	version, err := certManager.version(ctx, path)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "cert-manager %s:\n", version)
	if err := certManager.compile(ctx, ".", filepath.Join(bin, CertManager), nil); err != nil {
		return err
	}
	source, err := certManager.folder(ctx, path)
	if err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(bin, CertManagerCRDs), os.DirFS(filepath.Join(source, "deploy", "crds")))
}
