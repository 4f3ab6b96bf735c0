package customresource

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: []string{"guardrail", "customresource/v1alpha1"}, Not: deptest.IO, NotLinked: deptest.API}.Check(t, ".")
}
