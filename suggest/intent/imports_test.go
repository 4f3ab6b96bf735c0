package intent_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: []string{"cluster", "connectivity", "suggest/observed"}, Not: []string{"os", deptest.OPA}}.Check(t, ".")
}
