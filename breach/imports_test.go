package breach_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: []string{"cluster", "guardrail"}, Not: []string{deptest.OPA}, NotLinked: append([]string{deptest.Module + "/webhook"}, deptest.API...)}.Check(t, ".")
}
