package guardrail

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Action is what a guardrail does about a violation.
type Action string

// The actions.
const (
	Deny Action = "deny"
	Warn Action = "warn"
	// AuditOnly lets the change pass and leaves a trace for the auditor only.
	AuditOnly Action = "audit"
)

// Violation is one thing that a guardrail objects to.
type Violation struct {
	// Guardrail is the name in the configuration, Rule the Rego guardrail's.
	Guardrail string
	Rule      string
	Action    Action
	Severity  string
	// Message says what and why; further lines, indented by two spaces, say what
	// opened it and how to fix it.
	Message string
	// Details is what the guardrail says for machines; any JSON value or nil.
	Details any
	// About is what the configuration says of the guardrail.
	About About
	// Notice is set for what a rule reports that never denies, whatever the action.
	Notice bool
}

// Summary is the first line of the message.
func (v Violation) Summary() string {
	line, _, _ := strings.Cut(v.Message, "\n")
	return line
}

// Each lists what the violation is about one by one: the connections, or the workloads,
// that its details bring together, else the details themselves; nothing without details.
// The shipped guardrails list no more than 2,000 for one review.
func (v Violation) Each() []any {
	fields, _ := v.Details.(map[string]any)
	for _, key := range []string{"connections", "workloads"} {
		if list, ok := fields[key].([]any); ok && len(list) > 0 {
			return list
		}
	}
	if v.Details == nil {
		return nil
	}
	return []any{v.Details}
}

// Count is how many connections or workloads the violation is about, and 1 where its
// details do not tell.
func (v Violation) Count() int {
	n := max(1, len(v.Each()))
	fields, _ := v.Details.(map[string]any)
	if more, ok := fields["more"].(json.Number); ok {
		if m, err := more.Int64(); err == nil {
			n += int(m)
		}
	}
	return n
}

// Count is how many connections or workloads the violations are about: all, or those of
// some actions.
func (d Decision) Count(actions ...Action) int {
	n := 0
	for _, v := range d.Violations {
		if len(actions) == 0 || slices.Contains(actions, v.Action) {
			n += v.Count()
		}
	}
	return n
}

// Failure is a guardrail that could not be evaluated.
type Failure struct {
	Guardrail string
	Action    Action
	Err       error
}

func (f Failure) Error() string {
	return Cut(fmt.Sprintf("guardrail %s: %v", f.Guardrail, f.Err), maxMessageBytes)
}

func (f Failure) Unwrap() error { return f.Err }

// Exempted is a violation that an exemption lets pass.
type Exempted struct {
	Violation
	Exemption string
	Reason    string
}

// Decision is what the guardrails say about one change.
type Decision struct {
	// Subject names the object, as in "NetworkPolicy shop/allow-all".
	Subject string
	// Violations are sorted by guardrail and message, without repeats.
	Violations []Violation
	// Exempted are those that an exemption covers.
	Exempted []Exempted
	// Failures are the guardrails with action warn or audit that could not be
	// evaluated; one with action deny is Evaluate's error.
	Failures []Failure
	// Evaluated are the names of the guardrails that were asked.
	Evaluated []string
	// Advice, if set, says how to change what is denied so that nothing denies it any
	// more; it takes the place of what each guardrail advises.
	Advice string

	// Revision is that of the bundle that the guardrails are from; empty where they are from none.
	Revision string

	// Deletes is set when there is no object after the change.
	Deletes bool
	// Inputs, if set, are the flags by which the command line finds what was judged, as
	// the model is not a running cluster. Unchanged is set where they say how it was
	// before the change.
	Inputs    string
	Unchanged bool
}

// With lists the violations of one action.
func (d Decision) With(a Action) []Violation {
	var out []Violation
	for _, v := range d.Violations {
		if v.Action == a {
			out = append(out, v)
		}
	}
	return out
}

// Denied reports whether a guardrail refuses the change.
func (d Decision) Denied() bool { return len(d.With(Deny)) > 0 }

// worded is the message of a violation, without its own advice where there is one for
// all.
func (d Decision) worded(v Violation) string {
	if d.Advice == "" {
		return v.Message
	}
	return v.WithoutAdvice()
}

// adviceLine begins the line by which a guardrail says how to fix a violation.
const adviceLine = "  to fix: "

// WithoutAdvice is the message without the lines that say how to fix it.
func (v Violation) WithoutAdvice() string {
	var out []string
	within := false
	for line := range strings.SplitSeq(v.Message, "\n") {
		within = strings.HasPrefix(line, adviceLine) || within && strings.HasPrefix(line, "    ")
		if !within {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// WithAdvice is the message with another advice, of one or more lines.
func (v Violation) WithAdvice(advice string) string {
	return v.WithoutAdvice() + "\n" + adviceLine + strings.ReplaceAll(advice, "\n", "\n  ")
}

// settle sorts the violations and drops repeats.
func (d *Decision) settle() {
	slices.SortStableFunc(d.Violations, compareViolations)
	d.Violations = slices.CompactFunc(d.Violations, func(a, b Violation) bool { return compareViolations(a, b) == 0 })
	slices.SortStableFunc(d.Exempted, func(a, b Exempted) int { return compareViolations(a.Violation, b.Violation) })
}

func compareViolations(a, b Violation) int {
	return cmp.Or(cmp.Compare(a.Guardrail, b.Guardrail), cmp.Compare(a.Message, b.Message), cmp.Compare(a.Action, b.Action))
}
