package webhook

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/webhook/review"
)

// What warnings say first. kubectl says "dry run" of something else: a request that is
// not carried out.
const (
	wouldBeRefused  = "would be denied, as this change could not be judged: "
	withActionDeny  = "would be denied with action deny: " // the guardrail's action is warn
	wouldHaveToWait = "would be denied for now: "
)

// warnings are what kubectl shows beside an answer that allows: what mode enforce would
// deny, and violations of guardrails that warn; each with what opens it and how to fix it
// while the API server's limits leave room for that.
func warnings(v verdict, mode Mode) []string {
	lines := v.warningLines(mode, true)
	if review.WarningBytes(lines) > review.MaxWarnings {
		lines = v.warningLines(mode, false)
	}
	return review.FitWarnings(lines)
}

func (v verdict) warningLines(mode Mode, reasons bool) []string {
	var lines []string
	if mode == Audit {
		switch {
		case v.err == nil:
		case v.waiting():
			lines = append(lines, wouldHaveToWait+v.waits())
		default:
			lines = append(lines, wouldBeRefused+v.err.Error())
		}
		lines = append(lines, v.wouldDeny(reasons)...)
	}
	if v.note != "" {
		lines = append(lines, v.note)
	}
	for _, w := range v.decision.With(guardrail.Warn) {
		lines = append(lines, warningOf(w, reasons)...)
	}
	if v.claim != "" && len(lines) > 0 {
		lines = append(lines, v.claim)
	}
	for _, f := range v.decision.Failures {
		if f.Action == guardrail.Warn {
			lines = append(lines, fmt.Sprintf("[%s] could not be evaluated: %v", f.Guardrail, f.Err))
		}
	}
	if len(lines) > 0 {
		lines = v.withHint(lines)
	}
	return lines
}

// wouldDeny is what a denial would say, in warnings.
func (v verdict) wouldDeny(reasons bool) []string {
	var lines []string
	advice := v.decision.Advice
	for _, d := range v.decision.With(guardrail.Deny) {
		lines = append(lines, fmt.Sprintf("%s[%s] %s", review.WouldBeDenied, d.Guardrail, d.Summary()))
		message := d.Message
		if advice != "" {
			message = d.WithoutAdvice()
		}
		if reasons {
			lines = append(lines, linesBelow(message)...)
		}
	}
	if !reasons || len(lines) == 0 {
		return lines
	}
	if advice != "" {
		lines = append(lines, adviceLines(advice)...)
	}
	return append(lines, v.decision.Further()...)
}

func warningOf(w guardrail.Violation, reasons bool) []string {
	would := withActionDeny
	if w.Notice {
		would = ""
	}
	lines := []string{fmt.Sprintf("[%s] %s%s", w.Guardrail, would, w.Summary())}
	if reasons {
		lines = append(lines, linesBelow(w.Message)...)
	}
	return lines
}

// linesBelow are those of a message after the first, each a warning of its own.
func linesBelow(message string) []string {
	_, below, found := strings.Cut(message, "\n")
	if !found {
		return nil
	}
	var out []string
	for line := range strings.SplitSeq(below, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// adviceLines are how to fix it: a sentence, and YAML if each of its lines fits, because
// half a line of YAML is of no use.
func adviceLines(advice string) []string {
	lines := strings.Split("to fix: "+advice, "\n")
	for _, l := range lines[1:] {
		if utf8.RuneCountInString(l) > review.MaxWarning {
			return lines[:1]
		}
	}
	return lines
}
