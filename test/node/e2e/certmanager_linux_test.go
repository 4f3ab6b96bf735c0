package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/podcullis/podcullis/internal/image"
)

// certManager makes sure that cert-manager is installed and at work.
func (c cluster) certManager(t *testing.T) {
	t.Helper()
	controllers, crds := c.CertManager()
	if err := c.ImportImage(t.Context(), "podcullis.test/cert-manager:1", image.Contents{Binaries: []string{controllers}}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(crds, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("cert-manager's CustomResourceDefinitions: %v, %v", files, err)
	}
	for _, file := range files {
		c.kubectl(t, "", "apply", "--server-side", "-f", file)
	}
	c.kubectl(t, "", "wait", "--for=condition=Established", "crd", "--all", "--timeout="+patience.String())
	manifests, err := os.ReadFile(filepath.Join("testdata", "cert-manager.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c.apply(t, string(manifests))
	c.kubectl(t, "", "-n", "cert-manager", "wait", "--for=condition=Available", "deployment", "--all", "--timeout="+patience.String())
}
