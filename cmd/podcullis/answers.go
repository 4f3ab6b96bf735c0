package main

import (
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
)

// resultOfAnswers is what the webhook objects to, as findings: for the formats that know
// no answers.
func resultOfAnswers(answers []answered) *report.Result {
	out := &report.Result{}
	for _, a := range answers {
		ref := a.ref()
		out.Objects = append(out.Objects, report.Object{Ref: ref, Location: a.location})
		if !a.judged() {
			out.Unjudged = append(out.Unjudged, report.Unjudged{Ref: ref, Location: a.location, Why: a.message()})
			continue
		}
		for _, v := range a.decision.Violations {
			if advice := a.decision.Advice; advice != "" && v.Action == guardrail.Deny {
				v.Message = v.WithAdvice(advice)
			}
			out.Findings = append(out.Findings, report.Finding{Violation: v, Object: ref, Location: a.location})
		}
		for _, x := range a.decision.Exempted {
			out.Exempted = append(out.Exempted, report.Exempted{
				Finding:   report.Finding{Violation: x.Violation, Object: ref, Location: a.location},
				Exemption: x.Exemption, Reason: x.Reason,
			})
		}
		// What has no guardrail to name: it is refused all the same.
		if !a.response.Allowed && !a.decision.Denied() {
			out.Unjudged = append(out.Unjudged, report.Unjudged{Ref: ref, Location: a.location, Why: a.message()})
		}
	}
	return out
}

// ref names the object of a change.
func (a answered) ref() cluster.Ref {
	r := a.request
	ref := cluster.Ref{Namespace: r.Namespace, Kind: r.Kind.Kind, Name: r.Name}
	if r.Kind.Kind == "Namespace" && r.Kind.Group == "" {
		ref.Namespace = ""
	}
	return ref
}
