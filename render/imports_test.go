package render

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

// Charts and kustomizations become manifests here, and nothing is judged.
func TestImports(t *testing.T) {
	deptest.Rule{Ours: []string{"cluster/manifest"}, NotLinked: []string{deptest.OPA, deptest.Module + "/guardrail", deptest.Module + "/webhook"}}.Check(t, ".")
}
