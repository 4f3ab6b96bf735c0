package report

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// SARIF writes SARIF 2.1.0 (OASIS, errata 01), the version that GitHub's code
// scanning reads. Rules are the guardrails as configured. Paths are relative to where
// podcullis ran, which should be the repository's root. Remarks are notifications of
// the tool.
func (r *Result) SARIF(w io.Writer, version string) error {
	run := sarif.NewRun()
	run.Tool = sarif.NewTool().WithDriver(sarif.NewToolComponent().
		WithName("podcullis").WithVersion(version).WithInformationURI("https://github.com/podcullis/podcullis"))
	prints := fingerprinter{}
	for _, f := range r.Findings {
		rule := run.AddRule(f.Guardrail)
		rule.WithShortDescription(sarif.NewMultiformatMessageString().WithText(f.Rule + " (" + f.Severity + ")")).
			WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(level(f.Action)))
		rule.Properties = sarif.NewPropertyBag().Add("security-severity", score(f.Severity)).WithTags([]string{"security", "network"})
		run.CreateResultForRule(f.Guardrail).
			WithLevel(level(f.Action)).
			WithMessage(sarif.NewTextMessage(f.Message)).
			WithLocations([]*sarif.Location{sarifLocation(f.Object, f.Location)}).
			WithPartialFingerprints(map[string]string{"podcullis/v1": fingerprint(f), "podcullis/v2": prints.finding(f)})
	}
	if remarks := r.remarks(); len(remarks) > 0 {
		run.AddInvocation(notified(remarks))
	}
	log := sarif.NewReport()
	log.AddRun(run)
	if err := log.PrettyWrite(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// notified is the run with its remarks.
func notified(remarks []remark) *sarif.Invocation {
	out := sarif.NewInvocation().WithExecutionSuccessful(true)
	for _, m := range remarks {
		n := sarif.NewNotification().WithLevel(level(m.level)).WithMessage(sarif.NewTextMessage(m.text)).
			WithDescriptor(sarif.NewReportingDescriptorReference().WithID(m.id))
		if m.ref != (cluster.Ref{}) {
			n.WithLocations([]*sarif.Location{sarifLocation(m.ref, m.location)})
		}
		out.AddToolExecutionNotification(n)
	}
	return out
}

// level is how a CI system shows a finding.
func level(a guardrail.Action) string {
	switch a {
	case guardrail.Deny:
		return "error"
	case guardrail.Warn:
		return "warning"
	}
	return "note"
}

// score is the severity on the scale of CVSS, in the middle of what GitHub calls
// by that name.
func score(severity string) string {
	switch severity {
	case "critical":
		return "9.5"
	case "high":
		return "8.0"
	case "medium":
		return "5.5"
	}
	return "2.0"
}

// sarifLocation is the file if there is one, and always the object.
func sarifLocation(object cluster.Ref, place Location) *sarif.Location {
	out := sarif.NewLocation().WithLogicalLocations([]*sarif.LogicalLocation{
		sarif.NewLogicalLocation().WithFullyQualifiedName(object.String()).WithName(object.Name).WithKind("resource"),
	})
	uri, relative := place.uri()
	if uri == "" {
		return out
	}
	file := sarif.NewArtifactLocation().WithURI(uri)
	if relative {
		file.WithURIBaseID("%SRCROOT%")
	}
	physical := sarif.NewPhysicalLocation().WithArtifactLocation(file)
	if place.Line > 0 {
		physical.WithRegion(sarif.NewRegion().WithStartLine(place.Line))
	}
	return out.WithPhysicalLocation(physical)
}

// remoteBase is a URL without anything that has to be escaped.
var remoteBase = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://[A-Za-z0-9][A-Za-z0-9._~:/?#@&=+-]*$`)

// uri is the file as a URI reference; empty for standard input and a cluster.
func (l Location) uri() (uri string, relative bool) {
	switch {
	case l.File == "-" || strings.HasPrefix(l.File, ClusterPrefix):
		return "", false
	case remoteBase.MatchString(l.File): // of a kustomization
		return l.File, false
	case filepath.IsAbs(l.File):
		return (&url.URL{Scheme: "file", Path: filepath.ToSlash(l.File)}).String(), false
	}
	return (&url.URL{Path: filepath.ToSlash(filepath.Clean(l.File))}).String(), true
}

// fingerprint is the first version of one: two findings that begin alike share it. It
// stays for those who have recorded it.
func fingerprint(f Finding) string {
	sum := sha256.Sum256([]byte(f.Guardrail + "\x00" + f.Object.String() + "\x00" + f.Summary()))
	return hex.EncodeToString(sum[:])
}
