package picture_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Ours: []string{"cluster", "cluster/selector", "connectivity", "report"}, Not: []string{"os", "net/http", "net$", "log"}}.Check(t, ".")
}
