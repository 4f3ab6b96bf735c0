package observed_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: []string{"cluster", "connectivity", "suggest"}, Not: []string{"os", deptest.OPA}}.Check(t, ".")
}
