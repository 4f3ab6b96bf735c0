package report

import (
	"io"
	"strconv"
	"strings"

	"github.com/podcullis/podcullis/guardrail"
)

// GitHub writes findings and remarks as workflow commands of GitHub Actions, which
// show them beside the lines of a pull request: the worst first, because only the
// first ten of a step are shown.
func (r *Result) GitHub(w io.Writer) error {
	remarks := r.remarks()
	var b strings.Builder
	for _, action := range []guardrail.Action{guardrail.Deny, guardrail.Warn, guardrail.AuditOnly} {
		for _, f := range r.Findings {
			if f.Action == action {
				b.WriteString(workflowCommand(action, f.Guardrail+": "+title(f.Object), f.Location, f.Message))
			}
		}
		for _, m := range remarks {
			if m.level == action {
				b.WriteString(workflowCommand(action, m.id+": "+m.title, m.location, m.text))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func workflowCommand(action guardrail.Action, title string, place Location, message string) string {
	command := map[string]string{"error": "error", "warning": "warning", "note": "notice"}[level(action)]
	properties := []string{"title=" + inProperty.Replace(title)}
	if _, relative := place.uri(); relative && place.File != "" {
		properties = append(properties, "file="+inProperty.Replace(place.File))
		if place.Line > 0 {
			properties = append(properties, "line="+strconv.Itoa(place.Line))
		}
	}
	return "::" + command + " " + strings.Join(properties, ",") + "::" + inData.Replace(message) + "\n"
}

// What a workflow command cannot hold as it is.
var (
	inData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	inProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
