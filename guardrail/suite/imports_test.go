package suite

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		Ours:      []string{"guardrail", "guardrail/regotest"},
		Not:       []string{"os", "net/http", "log", "log/slog"},
		NotLinked: deptest.API,
	}.Check(t, ".")
}
