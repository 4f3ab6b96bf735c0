package review

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		Ours:      []string{"cluster/wire", "internal/span", "webhook/serving"},
		NotLinked: []string{deptest.OPA, deptest.Module + "/cluster/live", deptest.Module + "/guardrail"},
	}.Check(t, ".")
}
