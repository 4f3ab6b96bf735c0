package guardrail

import (
	"cmp"
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
}

// Summary is the first line of the message.
func (v Violation) Summary() string {
	line, _, _ := strings.Cut(v.Message, "\n")
	return line
}

// Failure is a guardrail that could not be evaluated.
type Failure struct {
	Guardrail string
	Action    Action
	Err       error
}

func (f Failure) Error() string {
	return cut(fmt.Sprintf("guardrail %s: %v", f.Guardrail, f.Err), maxMessageBytes)
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

// maxViolations bounds how many violations one message lists.
const maxViolations = 20

// DenialMessage is what a person reads when the change is refused: every
// denying violation, sorted.
func (d Decision) DenialMessage() string {
	denials := d.With(Deny)
	var b strings.Builder
	guardrails := distinctGuardrails(denials)
	verb := "guardrails deny"
	if guardrails == 1 {
		verb = "guardrail denies"
	}
	fmt.Fprintf(&b, "%d %s this change to %s:", guardrails, verb, d.Subject)
	for i, v := range denials {
		if i == maxViolations {
			fmt.Fprintf(&b, "\nand %d more", len(denials)-maxViolations)
			break
		}
		fmt.Fprintf(&b, "\n[%s] %s", v.Guardrail, d.worded(v))
	}
	if d.Advice != "" {
		fmt.Fprintf(&b, "\nto fix: %s", d.Advice)
	}
	return b.String()
}

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

func distinctGuardrails(list []Violation) int {
	names := map[string]bool{}
	for _, v := range list {
		names[v.Guardrail] = true
	}
	return len(names)
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
