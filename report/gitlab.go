package report

import (
	"io"
	"path"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// codeQuality is one entry of GitLab's code quality report.
type codeQuality struct {
	Description string       `json:"description"`
	CheckName   string       `json:"check_name"`
	Fingerprint string       `json:"fingerprint"`
	Severity    string       `json:"severity"` // info, minor, major, critical or blocker
	Location    qualityPlace `json:"location"`
}

type qualityPlace struct {
	Path  string       `json:"path"`
	Lines qualityLines `json:"lines"`
}

type qualityLines struct {
	Begin int `json:"begin"`
}

// GitLab writes findings and remarks as a code quality report, which merge requests show.
// Every entry needs a path there: of what is in no file it names the object.
func (r *Result) GitLab(w io.Writer) error {
	out := []codeQuality{}
	for _, e := range r.Entries() {
		out = append(out, codeQuality{
			Description: strings.Join(lines(e.Message), "\n"),
			CheckName:   e.ID,
			Fingerprint: e.Fingerprint,
			Severity:    e.quality(),
			Location:    qualityPlace{e.qualityPath(), qualityLines{max(1, e.Location.Line)}},
		})
	}
	return writeJSON(w, out)
}

// quality is how bad it is in GitLab's words.
func (e *Entry) quality() string {
	switch {
	case e.Remark() && e.Action == guardrail.Deny:
		return "minor"
	case e.Remark(), e.Action == guardrail.AuditOnly:
		return "info"
	case e.Severity == "critical":
		return "blocker"
	case e.Severity == "high":
		return "critical"
	case e.Severity == "medium":
		return "major"
	}
	return "minor"
}

// qualityPath is relative to the repository, as GitLab wants it.
func (e *Entry) qualityPath() string {
	uri, relative := e.Location.uri()
	switch {
	case uri != "" && relative && e.Location.File != "":
		return path.Clean(strings.ReplaceAll(e.Location.File, `\`, "/"))
	case uri != "" && !relative:
		return strings.TrimPrefix(uri, "file:///")
	case e.Object != (cluster.Ref{}):
		return e.Object.String()
	}
	return e.Subject
}
