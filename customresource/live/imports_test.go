package live

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: []string{"guardrail", "customresource", "customresource/v1alpha1"}}.Check(t, ".")
}
