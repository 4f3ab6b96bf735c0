package regotest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/regotest"
)

// TestShippedGuardrails runs policies/*_test.rego, and wants every line of the guardrails
// to be seen by one of them.
func TestShippedGuardrails(t *testing.T) {
	r, err := regotest.Run(t.Context(), regotest.Options{
		Tested: []guardrail.Source{{Name: "policies", FS: os.DirFS("../../policies")}}, Coverage: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range r.Tests {
		if x.Outcome != regotest.Passed {
			t.Errorf("%s:%d: %s: %s: line %d: %s %v", x.File, x.Line, x.FullName(), x.Outcome, x.FailedLine, x.FailedAt, x.Err)
		}
	}
	if len(r.Tests) < 25 {
		t.Errorf("ran %d Rego tests, want more than that", len(r.Tests))
	}
	if len(r.Coverage.Files) < 4 {
		t.Errorf("looked at the lines of %d files, want all", len(r.Coverage.Files))
	}
	for _, f := range r.Coverage.Files {
		if len(f.Missed) > 0 {
			t.Errorf("%s: no test reaches the lines %v", f.File, f.Missed)
		}
	}
}

const labels = `# METADATA
# title: Labels
# description: Of a test.
# custom: {severity: low, kinds: [Pod]}
package guardrails.labels

violation contains "no team" if {
	print("looking at", input.request.name)
	not input.request.object.metadata.labels.team
}
`

// source is a folder g with the guardrail labels, and tests.
func source(tests string) []guardrail.Source {
	return []guardrail.Source{{Name: "g", FS: fstest.MapFS{
		"labels.rego":      {Data: []byte(labels)},
		"labels_test.rego": {Data: []byte("package guardrails.labels_test\n\n" + tests)},
	}}}
}

// story is what is said of a test.
type story struct {
	Name     string
	Outcome  regotest.Outcome
	Line     int
	FailedAt string
	Err      string
}

func TestOutcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		tests string
		want  []story
	}{
		"AMockedInputPasses": {
			"test_a if count(data.guardrails.labels.violation) == 1 with input as {\"request\": {\"object\": {}}}",
			[]story{{Name: "test_a", Outcome: regotest.Passed}},
		},
		"TheFailedExpressionIsNamed": {
			"test_a if {\n\tx := 1\n\tx == 2\n\tx == 1\n}",
			[]story{{Name: "test_a", Outcome: regotest.Failed, Line: 5, FailedAt: "x == 2"}},
		},
		"EachTestFailsAtItsOwnLine": {
			"test_a if 1 == 2\n\ntest_b if 1 == 1\n\ntest_c if 2 == 3",
			[]story{
				{Name: "test_a", Outcome: regotest.Failed, Line: 3, FailedAt: "1 == 2"},
				{Name: "test_b", Outcome: regotest.Passed},
				{Name: "test_c", Outcome: regotest.Failed, Line: 7, FailedAt: "2 == 3"},
			},
		},
		"ABuiltinWithoutAChangeIsAnError": {
			"test_a if not netpol.opened({})",
			[]story{{Name: "test_a", Outcome: regotest.Unable, Err: "g/labels_test.rego:3: netpol.opened: there is no change here to answer about: replace it by `with`, as in `with netpol.opened as []`, or ask podcullis.review about a change"}},
		},
		"ABuiltinCanBeReplaced": {
			"test_a if netpol.opened({}) == [1] with netpol.opened as [1]",
			[]story{{Name: "test_a", Outcome: regotest.Passed}},
		},
		"ACaseIsATest": {
			"test_a[note] if {\n\tsome note, c in {\"one\": 1, \"two\": 2}\n\tc == 1\n}",
			[]story{{Name: "test_a/one", Outcome: regotest.Passed}, {Name: "test_a/two", Outcome: regotest.Failed}},
		},
		"TodoIsSkipped": {
			"todo_test_a if false",
			[]story{{Name: "todo_test_a", Outcome: regotest.Skipped}},
		},
		"AnUnknownFieldOfAQuestionIsAnError": {
			"test_a if not podcullis.review({\"guardrial\": \"labels\"})",
			[]story{{Name: "test_a", Outcome: regotest.Unable, Err: "g/labels_test.rego:3: podcullis.review: there is no field guardrial: want guardrail, parameters, cluster, time and one of create, update and delete"}},
		},
		"AMistypedFieldOfAQuestionIsAnError": {
			"test_a if not podcullis.review({\"guardrail\": 7})",
			[]story{{Name: "test_a", Outcome: regotest.Unable, Err: "g/labels_test.rego:3: podcullis.review: guardrail: is a number, want guardrail and time as strings, and parameters as an object"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := regotest.Run(t.Context(), regotest.Options{Tested: source(tc.tests)})
			if err != nil {
				t.Fatal(err)
			}
			var got []story
			for _, x := range r.Tests {
				s := story{Name: x.Name, Outcome: x.Outcome, Line: x.FailedLine, FailedAt: x.FailedAt}
				if x.Err != nil {
					s.Err = x.Err.Error()
				}
				got = append(got, s)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatDoesNotCompile(t *testing.T) {
	for name, tc := range map[string]struct{ tests, want string }{
		"Syntax":            {"test_a if {", "g/labels_test.rego:3: "},
		"OutsideTheSandbox": {"test_a if http.send({\"method\": \"get\", \"url\": \"http://192.0.2.1\"})", "g/labels_test.rego:3: undefined function http.send"},
		"NoTests":           {"helper := 1", "no tests to run"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := regotest.Run(t.Context(), regotest.Options{Tested: source(tc.tests)})
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want %s...", err, tc.want)
			}
		})
	}
}

func TestRunChooses(t *testing.T) {
	r, err := regotest.Run(t.Context(), regotest.Options{Tested: source("test_a if true\n\ntest_b if true"), Run: regexp.MustCompile("labels_test.test_b$")})
	if err != nil || len(r.Tests) != 1 || r.Tests[0].Name != "test_b" {
		t.Errorf("ran %v, %v; want test_b", r, err)
	}
	if _, err := regotest.Run(t.Context(), regotest.Options{Tested: source("test_a if true"), Run: regexp.MustCompile("nobody")}); !errors.Is(err, regotest.ErrNoTests) {
		t.Errorf("got %v, want ErrNoTests", err)
	}
}

// A test that mocks the input and fails says, too, what had no value in a guardrail.
func TestUndefinedOfAFailedTest(t *testing.T) {
	g := strings.Replace(labels, "not input.request.object.metadata.labels.team", "not input.request.object.metadata.labels.team in {\"a\"}", 1)
	if g == labels {
		t.Fatal("the guardrail is not the one that is meant")
	}
	s := []guardrail.Source{{Name: "g", FS: fstest.MapFS{
		"labels.rego":      {Data: []byte(g)},
		"labels_test.rego": {Data: []byte("package labels_test\n\ntest_a if true\n\ntest_b if {\n\tcount({v | some v in data.guardrails.labels.violation}) == 1 with input as {\"request\": {\"object\": {\"metadata\": {\"labels\": {}}}}}\n}\n\ntest_c if 1 == 2")},
	}}}
	r, err := regotest.Run(t.Context(), regotest.Options{Tested: s})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range r.Tests {
		got = append(got, fmt.Sprintf("%s %v", x.Name, x.Undefined))
	}
	want := []string{"test_a []", "test_b [g/labels.rego:9 is undefined: input.request.object.metadata.labels.team]", "test_c []"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestATestHasATimeout(t *testing.T) {
	long := "test_a if {\n\tsome i in numbers.range(1, 100000)\n\tsome j in numbers.range(1, 100000)\n\ti + j == -1\n}\n\ntest_b if true"
	r, err := regotest.Run(t.Context(), regotest.Options{Tested: source(long), Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tests) != 2 || r.Tests[0].Err == nil || r.Tests[0].Err.Error() != "g/labels_test.rego:3: did not end within 200ms" || r.Tests[1].Outcome != regotest.Passed {
		t.Errorf("got %+v", r.Tests)
	}
}

// A test that goes on for ever ends with the context, and that is an error.
func TestRunEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := regotest.Run(ctx, regotest.Options{Tested: source("test_a if true")}); err == nil {
		t.Error("an interrupted run is no error")
	}
}
