package webhook

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{Not: []string{deptest.OPA, deptest.Module + "/report", deptest.Module + "/audit", deptest.Module + "/cmd", deptest.Module + "/webhook/serving"}}.Check(t, ".")
}
