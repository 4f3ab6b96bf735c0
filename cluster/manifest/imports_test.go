package manifest_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{NotLinked: append([]string{deptest.OPA, "github.com/prometheus"}, deptest.API...)}.Check(t, ".")
}
