package report

import (
	"io"
	"strconv"
	"strings"

	"github.com/podcullis/podcullis/guardrail"
)

// FindingsGitHub writes findings as workflow commands of GitHub Actions, which
// show them beside the lines of a pull request: the worst first, because only the
// first ten of a step are shown.
func FindingsGitHub(w io.Writer, findings []Finding) error {
	var b strings.Builder
	for _, action := range []guardrail.Action{guardrail.Deny, guardrail.Warn, guardrail.AuditOnly} {
		for _, f := range findings {
			if f.Action == action {
				b.WriteString(workflowCommand(f))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func workflowCommand(f Finding) string {
	command := map[string]string{"error": "error", "warning": "warning", "note": "notice"}[level(f.Action)]
	properties := []string{"title=" + inProperty.Replace(f.Guardrail+": "+title(f.Object))}
	if _, relative := f.Location.uri(); relative {
		properties = append(properties, "file="+inProperty.Replace(f.Location.File))
		if f.Location.Line > 0 {
			properties = append(properties, "line="+strconv.Itoa(f.Location.Line))
		}
	}
	return "::" + command + " " + strings.Join(properties, ",") + "::" + inData.Replace(f.Message) + "\n"
}

// What a workflow command cannot hold as it is.
var (
	inData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	inProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
