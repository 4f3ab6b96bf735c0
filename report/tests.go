package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Tests is how the tests of guardrails ended.
type Tests struct {
	Items []Test
	// Coverage is nil unless it was asked for.
	Coverage *TestCoverage
	// Verbose lists the tests that passed, too, and what print wrote in them.
	Verbose bool
}

// Test is one test, or one case of it.
type Test struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Package string `json:"package"`
	Name    string `json:"name"`
	// Outcome is pass, fail, skip or error.
	Outcome string    `json:"outcome"`
	Failed  *FailedAt `json:"failedAt,omitempty"`
	// Mismatches are what a test of a suite wants and does not get.
	Mismatches []Mismatch `json:"mismatches,omitempty"`
	// Why it is skipped.
	Why string `json:"why,omitempty"`
	// Undefined is what had no value in a guardrail: "guardrails/mine.rego:12 is undefined: labels.team".
	Undefined []string `json:"undefined,omitempty"`
	Error     string   `json:"error,omitempty"`
	Output    string   `json:"output,omitempty"`
	Seconds   float64  `json:"seconds"`
}

// FailedAt is the expression of a test that was not true.
type FailedAt struct {
	Line       int    `json:"line"`
	Expression string `json:"expression"`
}

// Mismatch is what a test of a suite wants and does not get.
type Mismatch struct {
	Line int `json:"line"`
	// Text is in a line: "verdict: got denied, want allowed".
	Text string `json:"text"`
	// More are lines that say what there is instead.
	More []string `json:"more,omitempty"`
}

// why are the lines that say why a test did not pass.
func (x *Test) why() []string {
	var out []string
	if x.Failed != nil {
		out = append(out, fmt.Sprintf("line %d is not true: %s", x.Failed.Line, x.Failed.Expression))
	}
	for _, m := range x.Mismatches {
		out = append(out, fmt.Sprintf("line %d: %s", m.Line, m.Text))
		for _, more := range m.More {
			out = append(out, "  "+more)
		}
	}
	return append(out, x.Undefined...)
}

// told is why, without what a JUnit failure has in its message and place.
func (x *Test) told() []string {
	if x.Failed != nil {
		return x.Undefined
	}
	return x.why()
}

// TestCoverage is which lines of the guardrails are reached.
type TestCoverage struct {
	Percent float64        `json:"percent"`
	Files   []FileCoverage `json:"files"`
}

// FileCoverage is that of one file.
type FileCoverage struct {
	File    string  `json:"file"`
	Percent float64 `json:"percent"`
	// Missed are the lines that no test reaches: 12 or 14-16.
	Missed []string `json:"missed,omitempty"`
}

// Text writes what failed, and the sum, as opa test does.
func (t *Tests) Text(w io.Writer, _ Style) error {
	for _, x := range t.Items {
		if x.Outcome == "pass" && !t.Verbose {
			continue
		}
		fmt.Fprintf(w, "%s:%d: %s.%s: %s\n", x.File, x.Line, x.Package, x.Name, outcomeWords[x.Outcome])
		for _, text := range append(x.why(), x.Why, x.Error, x.Output) {
			for line := range strings.Lines(text) {
				fmt.Fprintf(w, "  %s\n", strings.TrimRight(line, "\n"))
			}
		}
	}
	for _, outcome := range []string{"pass", "fail", "skip", "error"} {
		if n := t.count(outcome); n > 0 {
			fmt.Fprintf(w, "%s: %d/%d\n", outcomeWords[outcome], n, len(t.Items))
		}
	}
	if t.Coverage == nil {
		return nil
	}
	for _, f := range t.Coverage.Files {
		missed := ""
		if len(f.Missed) > 0 {
			missed = ", not reached: " + strings.Join(f.Missed, ", ")
		}
		fmt.Fprintf(w, "%s: %.1f%%%s\n", f.File, f.Percent, missed)
	}
	_, err := fmt.Fprintf(w, "COVERAGE: %.1f%%\n", t.Coverage.Percent)
	return err
}

var outcomeWords = map[string]string{"pass": "PASS", "fail": "FAIL", "skip": "SKIPPED", "error": "ERROR"}

func (t *Tests) count(outcome string) int {
	n := 0
	for _, x := range t.Items {
		if x.Outcome == outcome {
			n++
		}
	}
	return n
}

// JSON writes all tests.
func (t *Tests) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		list[Test]
		Coverage *TestCoverage `json:"coverage,omitempty"`
	}{list[Test]{APIVersion, "Tests", append([]Test{}, t.Items...)}, t.Coverage})
}

// JUnit writes a JUnit report: a case for each test.
func (t *Tests) JUnit(w io.Writer) error {
	suite := junitSuite{Name: "podcullis test"}
	for _, x := range t.Items {
		c := junitCase{Class: x.Package, Name: x.Name, File: x.File, Output: x.Output}
		switch x.Outcome {
		case "skip":
			c.Skipped = &junitSkipped{Message: cmp.Or(x.Why, "the name begins with todo_")}
		case "fail", "error":
			f := junitFailure{Message: x.Error, Type: x.Outcome, Text: fmt.Sprintf("at %s:%d", x.File, x.Line)}
			switch {
			case x.Failed != nil:
				f.Message, f.Text = "not true: "+x.Failed.Expression, fmt.Sprintf("at %s:%d", x.File, x.Failed.Line)
			case len(x.Mismatches) > 0:
				f.Message = x.Mismatches[0].Text
			}
			f.Text = strings.Join(append([]string{f.Text}, x.told()...), "\n")
			c.Failures = append(c.Failures, f)
		}
		suite.add(c)
	}
	suite.Tests = len(suite.Cases)
	return writeJUnit(w, suite)
}
