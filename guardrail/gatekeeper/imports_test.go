package gatekeeper

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		Ours:      []string{},
		Not:       []string{"os", "net/http", "log", "log/slog", deptest.OPA},
		NotLinked: deptest.API,
	}.Check(t, ".")
}
