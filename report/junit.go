package report

import (
	"encoding/xml"
	"io"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class    string         `xml:"classname,attr"`
	Name     string         `xml:"name,attr"`
	File     string         `xml:"file,attr,omitempty"`
	Failures []junitFailure `xml:"failure,omitempty"`
	Output   string         `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// FindingsJUnit writes a JUnit report, as CI systems read it: a case for each
// object, with a failure for each violation of a guardrail whose action is deny or
// warn. What action audit finds is the case's output.
func FindingsJUnit(w io.Writer, findings []Finding, objects []Object) error {
	suite := junitSuite{Name: "podcullis"}
	for _, o := range objects {
		c := junitCase{Class: "podcullis." + o.Ref.Kind, Name: title(o.Ref), File: o.Location.File}
		for _, f := range findings {
			if f.Object != o.Ref {
				continue
			}
			text := "[" + f.Guardrail + "] " + f.Message + "\n  at " + f.Location.String()
			if f.Action == guardrail.AuditOnly {
				c.Output += text + "\n"
				continue
			}
			c.Failures = append(c.Failures, junitFailure{Message: f.Summary(), Type: f.Guardrail, Text: text})
		}
		if len(c.Failures) > 0 {
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Tests: suite.Tests, Failures: suite.Failures, Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// Object is one that was there to judge, and where it is.
type Object struct {
	Ref      cluster.Ref
	Location Location
}
