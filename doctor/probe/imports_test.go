package probe_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		Ours:      []string{"doctor/probe/packets"},
		NotLinked: []string{deptest.Module + "/guardrail", deptest.Module + "/cluster", deptest.OPA, "sigs.k8s.io/controller-runtime", "k8s.io/client-go/informers"},
	}.Check(t, ".")
	deptest.Rule{Ours: deptest.None, Others: deptest.None}.Check(t, "./packets")
}
