package report_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
)

func finding(action guardrail.Action, severity, object, file string, line int) report.Finding {
	return report.Finding{
		Violation: guardrail.Violation{
			Guardrail: "only, some: 100%", Rule: "forbidden-paths", Action: action, Severity: severity,
			Message: "shop/Pod/a could reach <b> & 100%\n  to fix: don't",
		},
		Object:   cluster.Ref{Namespace: "shop", Kind: "NetworkPolicy", Name: object},
		Location: report.Location{File: file, Line: line},
	}
}

// One of each action and each sort of place.
var findings = []report.Finding{
	finding(guardrail.AuditOnly, "low", "audited", "a b/c#d.yaml", 3),
	finding(guardrail.Deny, "critical", "denied", "chart/templates/netpol.yaml", 0),
	finding(guardrail.Warn, "high", "warned", "-", 7),
	finding(guardrail.Warn, "medium", "running", "cluster prod", 0),
	finding(guardrail.Deny, "critical", "absolute", "/srv/x.yaml", 1),
}

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The schema of SARIF 2.1.0 takes it, and consumers find where and how bad.
func TestFindingsSARIF(t *testing.T) {
	for name, all := range map[string][]report.Finding{"Some": findings, "None": nil} {
		t.Run(name, func(t *testing.T) {
			text := written(t, func(w io.Writer) error { return report.FindingsSARIF(w, all, "v1.2.3") })
			log, err := sarif.FromString(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := log.Validate(); err != nil {
				t.Error(err)
			}
			if len(log.Runs) != 1 || !strings.Contains(text, `"results": [`) {
				t.Errorf("want one run with results, even if there are none:\n%s", text)
			}
			var got []string
			for _, r := range log.Runs[0].Results {
				place := "-"
				if p := r.Locations[0].PhysicalLocation; p != nil {
					place = *p.ArtifactLocation.URI
					if p.ArtifactLocation.URIBaseID != nil {
						place = *p.ArtifactLocation.URIBaseID + " " + place
					}
				}
				got = append(got, r.Level+" "+place+" "+*r.Locations[0].LogicalLocations[0].FullyQualifiedName)
			}
			var want []string
			if len(all) > 0 {
				want = []string{
					"note %SRCROOT% a%20b/c%23d.yaml shop/NetworkPolicy/audited",
					"error %SRCROOT% chart/templates/netpol.yaml shop/NetworkPolicy/denied",
					"warning - shop/NetworkPolicy/warned",
					"warning - shop/NetworkPolicy/running",
					"error file:///srv/x.yaml shop/NetworkPolicy/absolute",
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
		})
	}
}

// A finding keeps its fingerprint while it moves in the file, and no two share one.
func TestFingerprints(t *testing.T) {
	prints := func(all ...report.Finding) []string {
		text := written(t, func(w io.Writer) error { return report.FindingsSARIF(w, all, "") })
		log, err := sarif.FromString(text)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, r := range log.Runs[0].Results {
			out = append(out, r.PartialFingerprints["podcullis/v1"])
		}
		return out
	}
	got := prints(finding("deny", "low", "a", "f", 1), finding("deny", "low", "a", "g", 9), finding("deny", "low", "b", "f", 1))
	if got[0] != got[1] || got[0] == got[2] {
		t.Errorf("fingerprints %v", got)
	}
}

func TestFindingsJUnit(t *testing.T) {
	objects := []report.Object{{Ref: cluster.Ref{Kind: "Namespace", Name: "shop"}, Location: report.Location{File: "ns.yaml", Line: 1}}}
	for _, f := range findings {
		objects = append(objects, report.Object{Ref: f.Object, Location: f.Location})
	}
	text := written(t, func(w io.Writer) error { return report.FindingsJUnit(w, findings, objects) })
	var doc struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure []struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
			Output string `xml:"system-out"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Tests != 6 || doc.Failures != 4 || len(doc.Cases) != 6 {
		t.Errorf("%d tests, %d failures, %d cases; want 6, 4, 6", doc.Tests, doc.Failures, len(doc.Cases))
	}
	if c := doc.Cases[1]; len(c.Failure) != 0 || !strings.Contains(c.Output, "a b/c#d.yaml:3") {
		t.Errorf("what audit finds fails nothing, got %+v", c)
	}
	if c := doc.Cases[2]; len(c.Failure) != 1 || c.Failure[0].Message != "shop/Pod/a could reach <b> & 100%" {
		t.Errorf("got %+v", c)
	}
}

func TestFindingsGitHub(t *testing.T) {
	const rest = "::shop/Pod/a could reach <b> & 100%25%0A  to fix: don't\n"
	want := "::error title=only%2C some%3A 100%25%3A NetworkPolicy shop/denied,file=chart/templates/netpol.yaml" + rest +
		"::error title=only%2C some%3A 100%25%3A NetworkPolicy shop/absolute" + rest +
		"::warning title=only%2C some%3A 100%25%3A NetworkPolicy shop/warned" + rest +
		"::warning title=only%2C some%3A 100%25%3A NetworkPolicy shop/running" + rest +
		"::notice title=only%2C some%3A 100%25%3A NetworkPolicy shop/audited,file=a b/c#d.yaml,line=3" + rest
	got := written(t, func(w io.Writer) error { return report.FindingsGitHub(w, findings) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("worst first (-want +got):\n%s", diff)
	}
}
