package serving

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: deptest.None, Not: []string{deptest.OPA, "k8s.io/client-go"}}.Check(t, ".")
}
