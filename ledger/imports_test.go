package ledger_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		Ours: []string{"cluster"}, Others: []string{"k8s.io/apimachinery/pkg/types"}, Not: []string{"os", "net$", "net/http", "log"},
		NotLinked: append([]string{deptest.OPA}, deptest.API...),
	}.Check(t, ".")
}
