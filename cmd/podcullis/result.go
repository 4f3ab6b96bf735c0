package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/audit"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
)

// resultOf is what was found, with the places of the objects.
func resultOf(found audit.Report, set *manifest.Set) *report.Result {
	out := &report.Result{Findings: located(found.Findings, set), Objects: objects(set)}
	for _, x := range found.Exempted {
		out.Exempted = append(out.Exempted, report.Exempted{Finding: locate(x.Finding, set), Exemption: x.Exemption, Reason: x.Reason})
	}
	out.Unread = unread(set)
	for _, u := range found.Unmatched {
		r := report.Unmatched{Unmatched: u}
		if o, ok := set.Lookup(u.Netpol); ok {
			r.Location = place(o)
		}
		out.Unmatched = append(out.Unmatched, r)
	}
	return out
}

// unread are the objects of a set that make pods and were not looked at.
func unread(set *manifest.Set) []report.Unread {
	var out []report.Unread
	for _, u := range set.Unread {
		out = append(out, report.Unread{
			Ref: u.Ref(), APIVersion: u.GroupVersion().String(), Kind: u.Kind, Why: u.Why,
			Location: report.Location{File: u.Location.File, Line: u.Location.Line},
		})
	}
	return out
}

func located(found []audit.Finding, set *manifest.Set) []report.Finding {
	out := make([]report.Finding, 0, len(found))
	for _, f := range found {
		out = append(out, locate(f, set))
	}
	return out
}

func locate(f audit.Finding, set *manifest.Set) report.Finding {
	r := report.Finding{Violation: f.Violation, Object: f.Object}
	if o, ok := set.Lookup(f.Object); ok {
		r.Location = place(o)
		return r
	}
	for _, a := range set.Asides {
		if nameAside(&a) == f.Object {
			r.Location = report.Location{File: a.Location.File, Line: a.Location.Line}
		}
	}
	return r
}

// nameAside is the identity of an object that the model has no place for.
func nameAside(a *manifest.Aside) cluster.Ref {
	i := itemOf(a)
	return i.Ref()
}

func place(o *manifest.Object) report.Location {
	return report.Location{File: o.Location.File, Line: o.Location.Line}
}

// objects are those of a set, with their places.
func objects(set *manifest.Set) []report.Object {
	var out []report.Object
	for i := range set.Objects {
		out = append(out, report.Object{Ref: set.Objects[i].Ref(), Location: place(&set.Objects[i])})
	}
	return out
}

// maxRemarks bounds how many lines are said beside data for machines, which has all.
const maxRemarks = 20

// remark says what the text would have told, where the answer goes to a machine.
func (p *program) remark(lines []string) {
	for i, line := range lines {
		if i == maxRemarks {
			p.say("note: and %d more", len(lines)-maxRemarks)
			return
		}
		p.say("note: %s", line)
	}
}

// conclude sums up, and makes violations the exit code.
func (p *program) conclude(c *cobra.Command, r *report.Result, in input, guardrails string, failing *failing) error {
	workloads, netpols := inhabitants(in.snapshot)
	p.say("%s, %s: %s among %s, %s%s", number(len(in.set.Objects), "object"), guardrails,
		outcome(r), number(workloads, "workload"), number(netpols, "netpol"), besides(r))
	if workloads == 0 && !in.idle() { // else load has said so
		p.say("note: no workloads: nothing that could reach anything was read")
	}
	failed := p.sayFailures(r)
	for _, f := range r.Findings {
		if failing.counts(f) {
			if f, ok := explained(r.Findings); ok {
				p.say("next: `%[1]s explain -f ... %[2]s` says what opens a path, and `%[1]s explain %[3]s` what a guardrail wants", c.Root().DisplayName(), firstQuestion(r), f.Rule)
			}
			return errViolations
		}
	}
	if failed {
		return errViolations
	}
	return nil
}

// explained is the first finding of a guardrail that explain knows: of what was written for
// other engines it does not.
func explained(list []report.Finding) (report.Finding, bool) {
	for _, f := range list {
		if !strings.Contains(f.Guardrail, "/") {
			return f, true
		}
	}
	return report.Finding{}, false
}

// sayFailures says for what the command fails beside findings.
func (p *program) sayFailures(r *report.Result) bool {
	if r.FailOnUnread && len(r.Unread) > 0 {
		p.say("--fail-on-unread: %s not looked at", number(len(r.Unread), "object"))
	}
	if r.FailOnUnmatched && len(r.Unmatched) > 0 {
		p.say("--fail-on-unmatched: %s nobody", choosing(len(r.Unmatched)))
	}
	return r.Failed()
}

// firstQuestion is about the first path that a finding names.
func firstQuestion(r *report.Result) string {
	for _, f := range r.Findings {
		if q := f.Question(); q != "" && f.Action != guardrail.AuditOnly {
			return q
		}
	}
	return "FROM TO"
}

// outcome is the findings in a few words.
func outcome(r *report.Result) string {
	count := map[guardrail.Action]int{}
	for _, f := range r.Findings {
		count[f.Action]++
	}
	switch {
	case len(r.Findings) == 0:
		return "no violations"
	case count[guardrail.Deny]+count[guardrail.Warn] == 0:
		return number(len(r.Findings), "finding") + ", for information only (action audit),"
	}
	return fmt.Sprintf("%s (%d deny, %d warn, %d audit)", number(len(r.Findings), "finding"),
		count[guardrail.Deny], count[guardrail.Warn], count[guardrail.AuditOnly])
}

// besides counts what is no finding.
func besides(r *report.Result) string {
	var words []string
	if n := len(r.Exempted); n > 0 {
		words = append(words, fmt.Sprintf("%d exempted", n))
	}
	if n := len(r.Unread); n > 0 {
		words = append(words, number(n, "object")+" not looked at")
	}
	if n := len(r.Unmatched); n > 0 {
		words = append(words, choosing(n)+" nobody")
	}
	if n := len(r.Unmodelled); n > 0 {
		words = append(words, number(n, "object")+" of other policy APIs")
	}
	if n := len(r.Expired); n > 0 {
		words = append(words, number(n, "exemption")+" expired")
	}
	if n := len(r.Noted); n > 0 {
		words = append(words, number(n, "other remark"))
	}
	if len(words) == 0 {
		return ""
	}
	return "; " + strings.Join(words, ", ")
}

func choosing(n int) string {
	if n == 1 {
		return "1 selector chooses"
	}
	return fmt.Sprintf("%d selectors choose", n)
}

// sayUnread names what makes pods and was not looked at, by kind.
func (p *program) sayUnread(set *manifest.Set) {
	if kinds := set.UnreadKinds(); len(kinds) > 0 {
		p.say("note: not looked at, makes pods: %s", strings.Join(kinds, ", "))
	}
}
