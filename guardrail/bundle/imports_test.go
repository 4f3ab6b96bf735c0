package bundle_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		Ours:      []string{"guardrail", "guardrail/gatekeeper"},
		Not:       []string{"net/http", "log", "log/slog"},
		NotLinked: deptest.API,
	}.Check(t, ".")
	deptest.Rule{
		Ours:      []string{"guardrail/bundle"},
		Not:       []string{"log", "log/slog", deptest.OPA},
		NotLinked: append([]string{"github.com/docker", "github.com/google/go-containerregistry"}, deptest.API...),
	}.Check(t, "./fetch")
}
