package rounds

import (
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policyreport"
)

// inventory presents each object as if it were created. They are made one by one: a large
// cluster has very many.
func inventory(s *cluster.Snapshot, now time.Time) iter.Seq[guardrail.Review] {
	return func(yield func(guardrail.Review) bool) {
		for o := range s.Objects() {
			if _, foreign := o.(*cluster.Foreign); foreign {
				continue
			}
			if !yield(guardrail.Presented(cluster.Change{After: o}, guardrail.Audit, now)) {
				return
			}
		}
	}
}

// What a remark is about, as package report has it.
const (
	choosesNobody    = "chooses-nobody"
	expiredExemption = "expired-exemption"
	unmodelledPolicy = "unmodelled-policy"
)

// remarks adds what is no violation, but without which "no violations" would say more than
// is known.
func (r *Rounds) remarks(f *findings, s *cluster.Snapshot, rules guardrail.InForce, now time.Time) error {
	unmatched, err := r.Unmatched(s)
	for _, u := range unmatched {
		subject := "guardrail " + u.Guardrail
		if u.Exemption != "" {
			subject = "exemption " + u.Exemption
		}
		f.remark(choosesNobody, u.Netpol, subject, u.String())
	}
	for _, x := range rules.Exemptions() {
		if x.Expired(now) {
			f.remark(expiredExemption, cluster.Ref{}, "exemption "+x.Name,
				"exemption "+x.Name+" expired after "+x.Expires+" and exempts nothing any more: "+x.Reason)
		}
	}
	var foreign []cluster.Ref
	for o := range s.Foreign() {
		foreign = append(foreign, o.Ref())
	}
	slices.SortFunc(foreign, cluster.Ref.Compare)
	for _, ref := range foreign {
		f.remark(unmodelledPolicy, ref, "", "not modelled: a policy of another API, about which NetworkPolicies say nothing")
	}
	if err != nil {
		return errors.Join(errors.New("what chooses nobody is not known"), err)
	}
	return nil
}

// findings are those of one round.
type findings struct {
	tallies policyreport.Tallies
	count   map[kind]int
	remarks map[string]int
	// exempted is how many violations an exemption lets pass.
	exempted int
	prints   map[string]bool

	// compares is set when there was a round before, with what it knew.
	compares bool
	known    map[string]bool
	tell     func(guardrail.Violation, cluster.Object)
}

// kind is by what findings are counted.
type kind struct{ guardrail, severity, action, namespace string }

// maxPrints bounds the fingerprints that are held. What goes beyond is counted, and is not
// told of as new.
const maxPrints = 200_000

func newFindings(compares bool, known map[string]bool, tell func(guardrail.Violation, cluster.Object)) *findings {
	return &findings{
		tallies: policyreport.Tallies{}, count: map[kind]int{}, remarks: map[string]int{}, prints: map[string]bool{},
		compares: compares && len(known) < maxPrints, known: known, tell: tell,
	}
}

func (f *findings) add(r *guardrail.Review, d guardrail.Decision) {
	f.exempted += len(d.Exempted)
	object := r.Change.After
	for _, v := range d.Violations {
		ref := object.Ref()
		print := v.Fingerprint(ref)
		f.count[kind{v.Guardrail, v.Severity, string(v.Action), ref.Namespace}]++
		f.tallies.Add(policyreport.Entry{
			Guardrail: v.Guardrail, Rule: v.Rule, Action: v.Action, Severity: v.Severity, Object: ref,
			Message: v.Message, Fingerprint: print, Owner: v.About.Owner,
		})
		if len(f.prints) < maxPrints {
			f.prints[print] = true
		}
		if f.compares && f.tell != nil && !f.known[print] {
			f.tell(v, object)
		}
	}
}

func (f *findings) remark(what string, object cluster.Ref, subject, text string) {
	f.remarks[what]++
	f.tallies.Add(policyreport.Entry{
		Guardrail: what, Action: guardrail.Warn, Severity: "info", Object: object, Subject: subject,
		Message: text, Fingerprint: guardrail.Fingerprint("remark", what, object.String(), text),
	})
}
