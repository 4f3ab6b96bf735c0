package report_test

import (
	"testing"

	"github.com/podcullis/podcullis/internal/deptest"
)

func TestImports(t *testing.T) {
	deptest.Rule{
		Ours: []string{"cluster", "cluster/selector", "connectivity", "doctor", "guardrail", "policyreport"}, Not: []string{deptest.OPA},
		NotLinked: append([]string{deptest.Module + "/audit", deptest.Module + "/webhook"}, deptest.API...),
	}.Check(t, ".")
}
