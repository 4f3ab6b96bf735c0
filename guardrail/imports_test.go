package guardrail

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		Ours:      []string{"cluster", "cluster/selector", "connectivity", "guardrail/gatekeeper", "guardrail/sandbox"},
		Not:       []string{"os", "net/http", "log", "log/slog"},
		NotLinked: deptest.API,
	}.Check(t, ".")
}
