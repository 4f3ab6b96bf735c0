package v1alpha1

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

// Whoever writes a client links this, and nothing else of ours.
func TestImports(t *testing.T) {
	deptest.Rule{Ours: deptest.None, NotLinked: []string{deptest.OPA, "k8s.io/client-go", "sigs.k8s.io/controller-runtime"}}.Check(t, ".")
}
