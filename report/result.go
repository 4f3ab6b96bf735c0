package report

import (
	"fmt"
	"io"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// Result is all that a check has to tell.
type Result struct {
	Findings []Finding
	// Exempted would be findings but for an exemption.
	Exempted []Exempted
	// Unread are objects that make pods of which nothing is known.
	Unread []Unread
	// Unmatched are questions and netpols that choose nobody.
	Unmatched []Unmatched
	// Expired are exemptions that exempt nothing any more.
	Expired []guardrail.Exemption
	// Unmodelled are objects of other policy APIs, beside which NetworkPolicies are not
	// the whole truth.
	Unmodelled []Unmodelled
	// Noted are other things that are known of the cluster.
	Noted []Noted
	// Unjudged are changes about which nobody could say anything.
	Unjudged []Unjudged
	// Known are findings that a baseline names, and Gone what it names and is not there
	// any more.
	Known []Finding
	Gone  []BaselineItem
	// KnownRemarks is how many remarks a baseline names.
	KnownRemarks int
	// Objects are those that were judged.
	Objects []Object
	// FailOnUnread and FailOnUnmatched say that one of those is a failure.
	FailOnUnread, FailOnUnmatched bool
}

// Exempted is a violation that does not count, and why.
type Exempted struct {
	Finding
	Exemption string
	Reason    string
}

// Unread is an object that makes pods of which nothing is known.
type Unread struct {
	// Ref is of no object of the model; its Kind carries the group.
	Ref        cluster.Ref
	APIVersion string
	Kind       string
	Location   Location
	// Why says how it makes pods.
	Why string
}

// Unmatched is a question or a netpol that chooses nobody, and where the netpol is.
type Unmatched struct {
	guardrail.Unmatched
	Location Location
}

// Unmodelled is an object of another policy API.
type Unmodelled struct {
	Ref      cluster.Ref
	Location Location
	// Opens is set when the API can open what NetworkPolicies leave blocked.
	Opens bool
}

// Noted is one of them: a network that ignores NetworkPolicies, a NetworkPolicy that adds nothing.
type Noted struct {
	// What is its word: doctor.NotEnforced and so on.
	What     string
	Ref      cluster.Ref // zero for what is about the cluster
	Location Location
	Text     string
}

// Unjudged is a change about which nobody could say anything.
type Unjudged struct {
	Ref      cluster.Ref
	Location Location
	Why      string
}

// Failed reports whether the check fails for more than its findings.
func (r *Result) Failed() bool {
	return r.FailOnUnread && len(r.Unread) > 0 || r.FailOnUnmatched && len(r.Unmatched) > 0
}

// remark is something that is no finding, but without which "no violations" says
// more than is known.
type remark struct {
	id       string
	level    guardrail.Action // as which a CI system shows it
	failure  bool
	ref      cluster.Ref
	title    string
	text     string
	location Location
}

// What a remark is about.
const (
	notLookedAt   = "not-looked-at"
	choosesNobody = "chooses-nobody"
	isExempted    = "exempted"
	isExpired     = "expired-exemption"
	isUnmodelled  = "unmodelled-policy"
	isUnjudged    = "not-judged"
)

func (r *Result) remarks() []remark {
	var out []remark
	level := func(fails bool) guardrail.Action {
		if fails {
			return guardrail.Deny
		}
		return guardrail.Warn
	}
	for _, u := range r.Unread {
		out = append(out, remark{
			notLookedAt, level(r.FailOnUnread), r.FailOnUnread, u.Ref, title(u.Ref),
			fmt.Sprintf("not looked at, makes pods: %s (%s)", title(u.Ref), u.Why), u.Location,
		})
	}
	for _, u := range r.Unjudged {
		out = append(out, remark{isUnjudged, guardrail.Deny, true, u.Ref, title(u.Ref), fmt.Sprintf("could not be judged: %s: %s", title(u.Ref), u.Why), u.Location})
	}
	for _, u := range r.Unmodelled {
		can := "closes more than NetworkPolicies say"
		if u.Opens {
			can = "may open what NetworkPolicies leave blocked, so that no path beside it is proved shut"
		}
		out = append(out, remark{isUnmodelled, guardrail.Warn, false, u.Ref, title(u.Ref), fmt.Sprintf("not modelled: %s %s", title(u.Ref), can), u.Location})
	}
	for _, n := range r.Noted {
		name := "network"
		if n.Ref != (cluster.Ref{}) {
			name = title(n.Ref)
		}
		out = append(out, remark{n.What, guardrail.Warn, false, n.Ref, name, n.Text, n.Location})
	}
	for _, x := range r.Expired {
		text := fmt.Sprintf("exemption %s expired after %s and exempts nothing any more: %s", x.Name, x.Expires, x.Reason)
		out = append(out, remark{isExpired, guardrail.Warn, false, cluster.Ref{}, "exemption " + x.Name, text, Location{}})
	}
	for _, u := range r.Unmatched {
		name := "guardrail " + u.Guardrail
		switch {
		case u.Exemption != "":
			name = "exemption " + u.Exemption
		case u.Guardrail == "":
			name = title(u.Netpol)
		}
		out = append(out, remark{choosesNobody, level(r.FailOnUnmatched), r.FailOnUnmatched, u.Netpol, name, u.String(), u.Location})
	}
	for _, x := range r.Exempted {
		out = append(out, remark{
			isExempted, guardrail.AuditOnly, false, x.Object, title(x.Object),
			fmt.Sprintf("exempted by %s (%s): [%s] %s", x.Exemption, x.Reason, x.Guardrail, x.Summary()), x.Location,
		})
	}
	return out
}

// Remarks are what a check has to tell beside its findings, a line each: what was not
// looked at, what chooses nobody, and what is exempted.
func (r *Result) Remarks() []string {
	var out []string
	for _, m := range r.remarks() {
		out = append(out, m.line())
	}
	return out
}

func (m *remark) line() string {
	if m.location.File == "" {
		return line(m.text)
	}
	return line(m.location.String() + ": " + m.text)
}

// FindingsText writes findings grouped by object.
func FindingsText(w io.Writer, findings []Finding, s Style) error {
	return (&Result{Findings: findings}).Text(w, s)
}

// FindingsJSON writes findings as a document of kind Findings.
func FindingsJSON(w io.Writer, findings []Finding) error {
	return (&Result{Findings: findings}).JSON(w)
}

// FindingsSARIF writes findings as Result.SARIF does.
func FindingsSARIF(w io.Writer, findings []Finding, version string) error {
	return (&Result{Findings: findings}).SARIF(w, version)
}

// FindingsJUnit writes findings as Result.JUnit does.
func FindingsJUnit(w io.Writer, findings []Finding, objects []Object) error {
	return (&Result{Findings: findings, Objects: objects}).JUnit(w)
}

// FindingsGitHub writes findings as Result.GitHub does.
func FindingsGitHub(w io.Writer, findings []Finding) error {
	return (&Result{Findings: findings}).GitHub(w)
}
