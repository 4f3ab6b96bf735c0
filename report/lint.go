package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/podcullis/podcullis/guardrail"
)

// Lint is what was found in guardrails themselves.
type Lint struct {
	Files []string
	Items []LintFinding
}

// LintFinding is something that a guardrail does not do as its author means.
type LintFinding struct {
	Check    string   `json:"check"`
	Location Location `json:"location"`
	Message  string   `json:"message"`
	Fix      string   `json:"fix"`
}

// Text writes two lines for each.
func (l *Lint) Text(w io.Writer, s Style) error {
	for _, x := range l.Items {
		fmt.Fprintf(w, "%s: %s: %s\n  to fix: %s\n", x.Location, x.Check, x.Message, x.Fix)
	}
	_, err := fmt.Fprintf(w, "%s in %s\n", number(len(l.Items), "finding"), number(len(l.Files), "file"))
	return err
}

// JSON writes a document of kind Lint.
func (l *Lint) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(list[LintFinding]{APIVersion, "Lint", append([]LintFinding{}, l.Items...)})
}

// SARIF writes SARIF 2.1.0: the rules are the checks, about says what they look for.
func (l *Lint) SARIF(w io.Writer, version string, about map[string]string) error {
	run := sarif.NewRun()
	run.Tool = sarif.NewTool().WithDriver(sarif.NewToolComponent().
		WithName("podcullis lint").WithVersion(version).WithInformationURI("https://github.com/podcullis/podcullis"))
	for _, x := range l.Items {
		run.AddRule(x.Check).WithShortDescription(sarif.NewMultiformatMessageString().WithText(about[x.Check])).
			WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel("warning"))
		out := sarif.NewLocation()
		if uri, relative := x.Location.uri(); uri != "" {
			file := sarif.NewArtifactLocation().WithURI(uri)
			if relative {
				file.WithURIBaseID("%SRCROOT%")
			}
			out.WithPhysicalLocation(sarif.NewPhysicalLocation().WithArtifactLocation(file).WithRegion(sarif.NewRegion().WithStartLine(max(1, x.Location.Line))))
		}
		run.CreateResultForRule(x.Check).WithLevel("warning").WithMessage(sarif.NewTextMessage(x.text())).WithLocations([]*sarif.Location{out})
	}
	log := sarif.NewReport()
	log.AddRun(run)
	if err := log.PrettyWrite(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (x LintFinding) text() string { return x.Message + "\nto fix: " + x.Fix }

// GitHub writes workflow commands of GitHub Actions.
func (l *Lint) GitHub(w io.Writer) error {
	var b strings.Builder
	for _, x := range l.Items {
		b.WriteString(workflowCommand(guardrail.Warn, x.Check, x.Location, x.text()))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// JUnit writes a JUnit report: a case for each file.
func (l *Lint) JUnit(w io.Writer) error {
	suite := junitSuite{Name: "podcullis lint"}
	for _, file := range l.Files {
		c := junitCase{Class: "podcullis.lint", Name: file, File: file}
		for _, x := range l.Items {
			if x.Location.File == file {
				c.Failures = append(c.Failures, junitFailure{Message: x.Message, Type: x.Check, Text: "at " + x.Location.String() + "\nto fix: " + x.Fix})
			}
		}
		suite.add(c)
	}
	suite.Tests = len(suite.Cases)
	return writeJUnit(w, suite)
}

// List is the findings as a table.
func (l *Lint) List() List {
	out := List{Title: number(len(l.Items), "finding") + " in " + number(len(l.Files), "file"), Names: []string{"check", "file", "line", "message", "fix"}}
	for _, x := range l.Items {
		out.Rows = append(out.Rows, []string{x.Check, x.Location.File, fmt.Sprint(x.Location.Line), x.Message, x.Fix})
	}
	return out
}

// Name writes the files in which something was found.
func (l *Lint) Name(w io.Writer) error {
	var named []string
	for _, x := range l.Items {
		if !slices.Contains(named, x.Location.File) {
			named = append(named, x.Location.File)
			if _, err := fmt.Fprintln(w, x.Location.File); err != nil {
				return err
			}
		}
	}
	return nil
}
