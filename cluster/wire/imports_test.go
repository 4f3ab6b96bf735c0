package wire_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: deptest.None, NotLinked: append([]string{deptest.OPA, "github.com/prometheus"}, deptest.API...)}.Check(t, ".")
}
