package selector

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		Ours: deptest.None, Others: []string{"k8s.io/apimachinery", "github.com/bits-and-blooms/bitset"}, Not: deptest.IO,
		NotLinked: append(deptest.API, "k8s.io/api", deptest.OPA, "github.com/prometheus"),
	}.Check(t, ".")
}
