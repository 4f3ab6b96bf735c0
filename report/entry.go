package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policyreport"
)

// severityInfo is that of what is no violation of a guardrail.
const severityInfo = "info"

// Entry is one thing that a result tells, in the shape that every format is made of: a
// finding, or a remark, without which "no violations" would say more than is known.
type Entry struct {
	// ID is the guardrail's name in the configuration, or what sort of remark it is.
	ID string
	// Rule is the Rego guardrail; empty for a remark.
	Rule string
	// Action is what the guardrail does, of a remark as what a CI system shows it.
	Action guardrail.Action
	// Severity is the guardrail's, and info for a remark.
	Severity string
	// Object is whom it is about; zero for what is in the configuration only.
	Object cluster.Ref
	// Subject is the object in the words of a message, or the guardrail or exemption.
	Subject  string
	Location Location
	// Summary is the first line of Message.
	Summary, Message string
	// Fingerprint stays the same while lines move and objects come in another order.
	Fingerprint string
	About       guardrail.About
}

// Remark tells whether the entry is no violation of a guardrail.
func (e *Entry) Remark() bool { return e.Rule == "" }

// Entries are the findings and then the remarks of a result.
func (r *Result) Entries() []Entry {
	prints := fingerprinter{}
	var out []Entry
	for _, f := range r.Findings {
		out = append(out, Entry{
			ID: f.Guardrail, Rule: f.Rule, Action: f.Action, Severity: f.Severity, Object: f.Object, Subject: title(f.Object),
			Location: f.Location, Summary: f.Summary(), Message: f.Message, Fingerprint: prints.finding(f), About: f.About,
		})
	}
	for _, m := range r.remarks() {
		out = append(out, Entry{
			ID: m.id, Action: m.level, Severity: severityInfo, Object: m.ref, Subject: m.title,
			Location: m.location, Summary: m.text, Message: m.text, Fingerprint: prints.remark(m),
		})
	}
	return out
}

// worstFirst orders entries for a reader who may not come to the end: by action, findings
// before remarks, by severity.
func worstFirst(entries []Entry) []Entry {
	out := slices.Clone(entries)
	rank := func(e Entry) int {
		action := slices.Index([]guardrail.Action{guardrail.Deny, guardrail.Warn, guardrail.AuditOnly}, e.Action)
		severity := slices.Index([]string{"critical", "high", "medium", "low", severityInfo}, e.Severity)
		return 10*action + severity
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return rank(a) - rank(b) })
	return out
}

// fingerprinter numbers what would have the same fingerprint, in the order of a result.
type fingerprinter map[string]int

func (p fingerprinter) finding(f Finding) string {
	if f.Fingerprint != "" {
		return f.Fingerprint
	}
	return p.number(f.Violation.Fingerprint(f.Object))
}

func (p fingerprinter) remark(m remark) string {
	return p.number(guardrail.Fingerprint("remark", m.id, m.ref.String(), m.text))
}

func (p fingerprinter) number(text string) string {
	p[text]++
	if n := p[text]; n > 1 {
		return fmt.Sprintf("%s-%d", text, n)
	}
	return text
}

// listed are entries as reports list them; what is exempted is no failure.
func (r *Result) listed() []policyreport.Entry {
	var out []policyreport.Entry
	for _, e := range r.Entries() {
		if e.Remark() && e.ID == isExempted {
			continue
		}
		out = append(out, policyreport.Entry{
			Guardrail: e.ID, Rule: e.Rule, Action: e.Action, Severity: e.Severity, Object: e.Object, Subject: line(e.Subject),
			Message: strings.Join(lines(e.Message), "\n"), Fingerprint: e.Fingerprint, Owner: e.About.Owner,
		})
	}
	return out
}

// line is text that cannot leave its line, and is no command to a runner of GitHub that
// prints it: names and paths come from whoever wrote the manifests.
func line(text string) string {
	text = strings.ReplaceAll(text, "##[", "# #[")
	if rest := strings.TrimLeftFunc(text, unicode.IsSpace); strings.HasPrefix(rest, "::") {
		text = text[:len(text)-len(rest)] + ": " + rest[1:]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// lines is line for text of several lines.
func lines(text string) []string {
	var out []string
	for one := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		out = append(out, line(one))
	}
	return out
}
