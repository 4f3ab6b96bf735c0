package reading_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		Ours:      []string{"cluster", "doctor"},
		NotLinked: []string{deptest.Module + "/guardrail", deptest.Module + "/webhook", deptest.OPA, "sigs.k8s.io/controller-runtime", "k8s.io/client-go/informers"},
	}.Check(t, ".")
}
