package live

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: []string{"cluster", "cluster/selector"}, NotLinked: []string{deptest.OPA}}.Check(t, ".")
}
