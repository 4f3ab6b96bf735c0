package webhook_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The test stands here and not in one central place, where go test's cache
// would not notice a change of this package.
func TestWebhookImportsNeitherReportNorAuditNorOPA(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		for _, banned := range []string{"podcullis/report", "podcullis/audit", "podcullis/cmd", "open-policy-agent/"} {
			if strings.Contains(path, banned) {
				t.Errorf("webhook imports %s", path)
			}
		}
	}
}
