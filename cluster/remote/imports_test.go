package remote_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		// It reads a cluster once: no manager, no informer, nobody who judges.
		NotLinked: []string{
			"sigs.k8s.io/controller-runtime", "k8s.io/client-go/informers", deptest.OPA, "github.com/prometheus", "helm.sh",
			deptest.Module + "/cluster/live", deptest.Module + "/guardrail",
		},
	}.Check(t, ".")
}
