package suggest_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: []string{"cluster", "cluster/selector", "connectivity"}, Not: []string{"time", "os", deptest.OPA}}.Check(t, ".")
}
