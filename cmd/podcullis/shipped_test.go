package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/regotest"
	"github.com/podcullis/podcullis/guardrail/suite"
	"github.com/podcullis/podcullis/policies"
)

// TestShippedSuites runs policies/suites, and the stories of test/scenarios that are suites.
func TestShippedSuites(t *testing.T) {
	sources := []guardrail.Source{{Name: guardrail.Embedded, FS: policies.FS}}
	b, err := newBench(sources, "")
	if err != nil {
		t.Fatal(err)
	}
	stories, err := suitesIn(filepath.Join("..", "..", "test", "scenarios"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := regotest.Run(t.Context(), regotest.Options{Guardrails: sources, Cases: casesOf(append(shippedSuites(t), stories...), b)})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tests) < 25 {
		t.Errorf("ran %d tests, want those of two folders", len(r.Tests))
	}
	for _, x := range r.Tests {
		if x.Outcome != regotest.Passed {
			t.Errorf("%s:%d: %s: %s: %v %v", x.File, x.Line, x.FullName(), x.Outcome, x.Mismatches, x.Err)
		}
	}
}

func shippedSuites(t *testing.T) []suite.Suite {
	t.Helper()
	suites, err := suitesIn(filepath.Join("..", "..", "policies", "suites"))
	if err != nil {
		t.Fatal(err)
	}
	return suites
}

// Every guardrail that ships is shown to let something pass and to refuse something: by a
// suite, or by tests in Rego.
func TestShippedGuardrailsPassAndFail(t *testing.T) {
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: guardrail.Embedded, FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	suites := shippedSuites(t)
	if len(library.Guardrails()) < 6 {
		t.Fatalf("there are %d guardrails, want all that ship", len(library.Guardrails()))
	}
	for _, g := range library.Guardrails() {
		passes, fails := inSuites(suites, g.ID)
		rego := filepath.Join("..", "..", "policies", strings.ReplaceAll(g.ID, "-", "_")+"_test.rego")
		if text, err := os.ReadFile(rego); err == nil {
			regoPasses, regoFails := inRego(string(text))
			passes, fails = passes || regoPasses, fails || regoFails
		}
		if !passes || !fails {
			t.Errorf("%s: lets something pass in a test: %v, refuses something: %v; want both, in policies/suites or %s", g.ID, passes, fails, rego)
		}
	}
}

// inSuites tells whether tests of suites see a guardrail pass, and fail.
func inSuites(suites []suite.Suite, id string) (passes, fails bool) {
	for _, s := range suites {
		for _, x := range s.Tests {
			for _, a := range x.Assertions {
				if x.Guardrail != id || x.Skip != "" {
					continue
				}
				none := a.Violations != nil && a.Violations.Fits(0)
				passes = passes || none
				fails = fails || a.Violations != nil && !none || a.Verdict == suite.Denied
			}
		}
	}
	return passes, fails
}

var (
	regoTest = regexp.MustCompile(`(?m)^test_\w+ if `)
	regoNone = regexp.MustCompile(`== (?:0|\[\]|set\(\))`)
)

// inRego tells the same of tests in Rego, by whether they compare with nothing.
func inRego(text string) (passes, fails bool) {
	at := regoTest.FindAllStringIndex(text, -1)
	for i, begin := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		none := regoNone.MatchString(text[begin[0]:end])
		passes, fails = passes || none, fails || !none
	}
	return passes, fails
}

func TestInRego(t *testing.T) {
	for text, want := range map[string][2]bool{
		"test_a if count(violation) == 0":                                           {true, false},
		"test_a if {\n\tsome v in violation\n\tv.msg == \"x\"\n}\n":                 {false, true},
		"test_a if violation == set()\n\ntest_b if {\n\tcount(violation) == 1\n}\n": {true, true},
		"x := 1": {false, false},
	} {
		if passes, fails := inRego(text); [2]bool{passes, fails} != want {
			t.Errorf("%s: got %v, %v", text, passes, fails)
		}
	}
}
