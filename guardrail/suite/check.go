package suite

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/regotest"
)

// Answer is what was said to the changes of a test.
type Answer struct {
	// NotAsked says of each change about which no guardrail was asked why; Asked is how many
	// others there are.
	NotAsked []string
	Asked    int

	Denied     bool
	Violations []guardrail.Violation
	Warnings   []string
	// Fixes are the edits that were advised, one for each change that is denied.
	Fixes []Fix
}

// Fix is an edit, and what came of it.
type Fix struct {
	// Of is the object of the change.
	Of string
	// Text is empty where no edit was found.
	Text string
	// Still is what is said to the change with the edit; empty if it is allowed.
	Still string
}

// Verdict is the answer in one word.
func (a *Answer) Verdict() string {
	switch {
	case a.Denied:
		return Denied
	case len(a.Warnings) > 0:
		return Warned
	}
	return Allowed
}

// NeedsFix tells whether an assertion is about the edit that is advised.
func (t *Test) NeedsFix() bool {
	for _, a := range t.Assertions {
		if len(a.Fix) > 0 || a.Fixed {
			return true
		}
	}
	return false
}

func (t *Test) saysAsked() bool {
	return slices.ContainsFunc(t.Assertions, func(a Assertion) bool { return a.Asked != nil })
}

// Check says what of an answer is not as it should be.
func (t *Test) Check(answer *Answer) []regotest.Mismatch {
	var out []regotest.Mismatch
	if answer.Asked == 0 && !t.saysAsked() {
		out = append(out, regotest.Mismatch{Line: t.Line, Text: "no guardrail was asked, so that this shows nothing; where that is meant, assert asked: no", More: answer.NotAsked})
	}
	for i := range t.Assertions {
		out = append(out, t.Assertions[i].check(answer)...)
	}
	return out
}

func (a *Assertion) check(answer *Answer) []regotest.Mismatch {
	var out []regotest.Mismatch
	wrong := func(field string, more []string, format string, args ...any) {
		out = append(out, regotest.Mismatch{Line: a.line(field), Text: field + ": " + fmt.Sprintf(format, args...), More: more})
	}
	if got := answer.Verdict(); a.Verdict != "" && got != a.Verdict {
		more := summaries(answer.Violations)
		if got == Warned || a.Verdict == Warned {
			more = answer.Warnings
		}
		wrong("verdict", more, "got %s, want %s", got, a.Verdict)
	}
	if a.Violations != nil {
		if n := len(a.chosen(answer.Violations)); !a.Violations.Fits(n) {
			wrong(a.about(), summaries(answer.Violations), "%s", a.ofViolations(n))
		}
	}
	if n := len(answer.Warnings); a.Warnings != nil && !a.Warnings.Fits(n) {
		wrong("warnings", answer.Warnings, "got %s, want %s", amount(n), a.Warnings)
	}
	for _, e := range a.Warning {
		if !anyMatches(e, answer.Warnings) {
			wrong("warning", answer.Warnings, "none matches %q", e)
		}
	}
	if a.Asked != nil && *a.Asked != (answer.Asked > 0) {
		is := map[bool]string{true: "a guardrail was asked", false: "no guardrail was asked"}
		wrong("asked", answer.NotAsked, "%s", is[answer.Asked > 0])
	}
	for _, fix := range a.fixes(answer) {
		wrong(fix.field, fix.more, "%s", fix.text)
	}
	return out
}

// about is the field that a mismatch of violations is about.
func (a *Assertion) about() string {
	for _, field := range []string{"violations", "message", "details", "guardrail"} {
		if _, said := a.lines[field]; said {
			return field
		}
	}
	return "violations"
}

// ofViolations says how many were found and how many were wanted.
func (a *Assertion) ofViolations(n int) string {
	chosen := ""
	if a.Guardrail != "" {
		chosen += " of " + a.Guardrail
	}
	for _, e := range a.Message {
		chosen += fmt.Sprintf(" matching %q", e)
	}
	if a.Details.Said() {
		chosen += " with the details " + string(a.Details.JSON)
	}
	return fmt.Sprintf("got %s%s, want %s", amount(n), chosen, a.Violations)
}

// chosen are the violations that an assertion is about.
func (a *Assertion) chosen(all []guardrail.Violation) []guardrail.Violation {
	var out []guardrail.Violation
	for _, v := range all {
		if a.Guardrail != "" && v.Guardrail != a.Guardrail && v.Rule != a.Guardrail || a.Details.Said() && !holds(v.Details, a.Details) {
			continue
		}
		if allMatch(a.Message, v.Message) {
			out = append(out, v)
		}
	}
	return out
}

type wrongFix struct {
	field, text string
	more        []string
}

// fixes is what is wrong with the edits that are advised.
func (a *Assertion) fixes(answer *Answer) []wrongFix {
	field := "fixed"
	if len(a.Fix) > 0 {
		field = "fix"
	}
	if field == "fixed" && !a.Fixed {
		return nil
	}
	if len(answer.Fixes) == 0 {
		return []wrongFix{{field: field, text: "nothing is denied, so that nothing is to fix"}}
	}
	var out []wrongFix
	for _, f := range answer.Fixes {
		if f.Text == "" {
			out = append(out, wrongFix{field: field, text: f.Of + ": no edit was found under which it is allowed"})
			continue
		}
		if a.Fixed && f.Still != "" {
			more := append([]string{"to fix: " + f.Text}, strings.Split(f.Still, "\n")...)
			out = append(out, wrongFix{field: "fixed", text: f.Of + ": with the edit that is advised it is not allowed", more: more})
		}
	}
	var texts []string
	for _, f := range answer.Fixes {
		if f.Text != "" {
			texts = append(texts, f.Text)
		}
	}
	for _, e := range a.Fix {
		if len(texts) > 0 && !anyMatches(e, texts) {
			out = append(out, wrongFix{field: "fix", text: fmt.Sprintf("none matches %q", e), more: strings.Split(strings.Join(texts, "\n"), "\n")})
		}
	}
	return out
}

func summaries(list []guardrail.Violation) []string {
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprintf("[%s] %s", v.Guardrail, v.Summary()))
	}
	return out
}

func allMatch(list []*regexp.Regexp, text string) bool {
	for _, e := range list {
		if !e.MatchString(text) {
			return false
		}
	}
	return true
}

func anyMatches(e *regexp.Regexp, texts []string) bool {
	for _, text := range texts {
		if e.MatchString(text) {
			return true
		}
	}
	return false
}

func amount(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

func (a *Amount) String() string {
	if a.Some {
		return "some"
	}
	return amount(a.N)
}

// holds tells whether details have all that is asked for.
func holds(details any, want Value) bool {
	text, err := json.Marshal(details)
	if err != nil {
		return false
	}
	var is, asked any
	return json.Unmarshal(text, &is) == nil && json.Unmarshal(want.JSON, &asked) == nil && within(asked, is)
}

// within tells whether a value has another in it: of an object the fields that are named, of
// a list an element for each.
func within(asked, is any) bool {
	switch asked := asked.(type) {
	case map[string]any:
		fields, ok := is.(map[string]any)
		for key, value := range asked {
			field, there := fields[key]
			ok = ok && there && within(value, field)
		}
		return ok
	case []any:
		list, ok := is.([]any)
		for _, one := range asked {
			ok = ok && anyWithin(one, list)
		}
		return ok
	}
	return asked == is
}

func anyWithin(asked any, list []any) bool {
	for _, one := range list {
		if within(asked, one) {
			return true
		}
	}
	return false
}
