package claims

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: []string{"cluster"}, NotLinked: []string{deptest.OPA}}.Check(t, ".")
}
