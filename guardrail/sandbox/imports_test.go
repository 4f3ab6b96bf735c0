package sandbox

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: deptest.None, Others: []string{deptest.OPA}, Not: deptest.IO, NotLinked: deptest.API}.Check(t, ".")
}
