package webhook

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/webhook/review"
)

func violations(n int, action guardrail.Action, message string) (out []guardrail.Violation) {
	for i := range n {
		out = append(out, guardrail.Violation{Guardrail: fmt.Sprint("g", i), Action: action, Message: message})
	}
	return out
}

const opened = "a could reach b\n  opened by: ingress rule 1 of NetworkPolicy s/x\n  to fix: narrow it"

func TestWarningsSayWhatAndWhyAndHow(t *testing.T) {
	for name, test := range map[string]struct {
		verdict verdict
		mode    Mode
		want    []string
	}{
		"ModeAudit": {
			verdict{decision: guardrail.Decision{Violations: violations(1, guardrail.Deny, opened)}},
			Audit,
			[]string{"would be denied: [g0] a could reach b", "opened by: ingress rule 1 of NetworkPolicy s/x", "to fix: narrow it"},
		},
		"ModeAuditWithATriedEdit": {
			verdict{decision: guardrail.Decision{Violations: violations(2, guardrail.Deny, opened), Advice: "leave a out\n  podSelector: {}"}},
			Audit,
			[]string{
				"would be denied: [g0] a could reach b", "opened by: ingress rule 1 of NetworkPolicy s/x",
				"would be denied: [g1] a could reach b", "opened by: ingress rule 1 of NetworkPolicy s/x",
				"to fix: leave a out", "podSelector: {}",
			},
		},
		"YAMLThatDoesNotFitIsLeftOut": {
			verdict{decision: guardrail.Decision{Violations: violations(1, guardrail.Deny, "m"), Advice: "leave a out\n  podSelector: " + strings.Repeat("x", 300)}},
			Audit,
			[]string{"would be denied: [g0] m", "to fix: leave a out"},
		},
		"ActionWarn": {
			verdict{decision: guardrail.Decision{Violations: violations(1, guardrail.Warn, opened)}},
			Enforce,
			[]string{"[g0] would be denied with action deny: a could reach b", "opened by: ingress rule 1 of NetworkPolicy s/x", "to fix: narrow it"},
		},
		"ANoticeWouldNotBeDenied": {
			verdict{decision: guardrail.Decision{Violations: []guardrail.Violation{{Guardrail: "g", Action: guardrail.Warn, Message: "one side only", Notice: true}}}},
			Enforce,
			[]string{"[g] one side only"},
		},
		"ActionAuditIsSilent": {verdict{decision: guardrail.Decision{Violations: violations(1, guardrail.AuditOnly, opened)}}, Audit, nil},
		"NotJudged":           {verdict{err: fmt.Errorf("no such field")}, Audit, []string{"would be denied, as this change could not be judged: no such field"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, warnings(test.verdict, test.mode)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// However much there is to say: the API server cuts nothing, and what is violated comes
// before why.
func TestWarningsFitHoweverMuchThereIsToSay(t *testing.T) {
	for _, n := range []int{1, 5, 15, 200} {
		for _, letters := range []int{10, 120, 400} {
			message := strings.Repeat("ä", letters) + "\n  opened by: " + strings.Repeat("y", letters) + "\n  to fix: " + strings.Repeat("z", letters)
			got := warnings(verdict{decision: guardrail.Decision{Violations: violations(n, guardrail.Deny, message)}}, Audit)
			sum := 0
			for _, w := range got {
				sum += len(w)
				if utf8.RuneCountInString(w) > review.MaxWarning || strings.Contains(w, "\n") {
					t.Errorf("%d violations of %d letters: a warning of %d", n, letters, utf8.RuneCountInString(w))
				}
			}
			if sum > review.MaxWarnings {
				t.Errorf("%d violations of %d letters: %d bytes", n, letters, sum)
			}
			why := func(w string) bool { return strings.HasPrefix(w, "opened by: ") }
			if last := got[len(got)-1]; slices.ContainsFunc(got, why) && strings.HasPrefix(last, "and ") {
				t.Errorf("%d violations of %d letters: reasons are told, and %q left out", n, letters, last)
			}
		}
	}
}
