package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
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
		if x.Failed != nil {
			fmt.Fprintf(w, "  line %d is not true: %s\n", x.Failed.Line, x.Failed.Expression)
		}
		for _, text := range append(slices.Clone(x.Undefined), x.Error, x.Output) {
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
			c.Skipped = &junitSkipped{Message: "the name begins with todo_"}
		case "fail", "error":
			f := junitFailure{Message: x.Error, Type: x.Outcome, Text: fmt.Sprintf("at %s:%d", x.File, x.Line)}
			if x.Failed != nil {
				f.Message, f.Text = "not true: "+x.Failed.Expression, fmt.Sprintf("at %s:%d", x.File, x.Failed.Line)
			}
			f.Text = strings.Join(append([]string{f.Text}, x.Undefined...), "\n")
			c.Failures = append(c.Failures, f)
		}
		suite.add(c)
	}
	suite.Tests = len(suite.Cases)
	return writeJUnit(w, suite)
}
