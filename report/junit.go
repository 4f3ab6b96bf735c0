package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr,omitempty"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr,omitempty"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class    string         `xml:"classname,attr"`
	Name     string         `xml:"name,attr"`
	File     string         `xml:"file,attr,omitempty"`
	Failures []junitFailure `xml:"failure,omitempty"`
	Skipped  *junitSkipped  `xml:"skipped,omitempty"`
	Output   string         `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// JUnit writes a JUnit report, as CI systems read it: a case for each object, with a
// failure for each violation of a guardrail whose action is deny or warn. What action
// audit finds, and what is exempted, is the case's output. What was not looked at, or
// chooses nobody, is a case that was skipped, or that failed.
func (r *Result) JUnit(w io.Writer) error {
	suite := junitSuite{Name: "podcullis"}
	for _, o := range r.Objects {
		c := junitCase{Class: "podcullis." + o.Ref.KindText(), Name: title(o.Ref), File: o.Location.File}
		for _, f := range r.Findings {
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
		for _, x := range r.Exempted {
			if x.Object == o.Ref {
				c.Output += fmt.Sprintf("exempted by %s (%s): [%s] %s\n", x.Exemption, x.Reason, x.Guardrail, x.Message)
			}
		}
		suite.add(c)
	}
	for _, m := range r.remarks() {
		if m.id != isExempted {
			suite.add(m.junit())
		}
	}
	suite.Tests = len(suite.Cases)
	return writeJUnit(w, suite)
}

func writeJUnit(w io.Writer, suite junitSuite) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Tests: suite.Tests, Failures: suite.Failures, Skipped: suite.Skipped, Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(c junitCase) {
	if len(c.Failures) > 0 {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func (m *remark) junit() junitCase {
	c := junitCase{Class: "podcullis." + m.id, Name: m.text, File: m.location.File}
	if m.failure {
		c.Failures = []junitFailure{{Message: m.text, Type: m.id, Text: m.line()}}
	} else {
		c.Skipped = &junitSkipped{Message: m.text}
	}
	return c
}

// Object is one that was there to judge, and where it is.
type Object struct {
	Ref      cluster.Ref
	Location Location
}
