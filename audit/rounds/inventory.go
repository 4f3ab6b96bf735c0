package rounds

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/internal/span"
	"github.com/podcullis/podcullis/policyreport"
)

// inventory presents each object as if it were created, of all namespaces or of some. They
// are made one by one: a large cluster has very many.
func inventory(s *cluster.Snapshot, within map[string]bool, now time.Time) iter.Seq[guardrail.Review] {
	return func(yield func(guardrail.Review) bool) {
		objects := s.Objects()
		if within != nil {
			objects = s.ObjectsIn(within)
		}
		for o := range objects {
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

// findings are those of one namespace, or of all.
type findings struct {
	tallies policyreport.Tallies
	count   map[kind]int
	remarks map[string]int
	// exempted is how many violations an exemption lets pass.
	exempted int
	prints   map[string]bool
}

// kind is by what findings are counted.
type kind struct{ guardrail, severity, action, namespace string }

// maxPrints bounds the fingerprints that are held. What goes beyond is counted, and is not
// told of as new.
const maxPrints = 200_000

func newFindings() *findings {
	return &findings{tallies: policyreport.Tallies{}, count: map[kind]int{}, remarks: map[string]int{}, prints: map[string]bool{}}
}

// add counts a violation, and tells whether there is room to know it again.
func (f *findings) add(object cluster.Ref, v guardrail.Violation, print string, room bool) {
	f.count[kind{v.Guardrail, v.Severity, string(v.Action), object.Namespace}]++
	f.tallies.Add(policyreport.Entry{
		Guardrail: v.Guardrail, Rule: v.Rule, Action: v.Action, Severity: v.Severity, Object: object,
		Message: v.Message, Fingerprint: print, Owner: v.About.Owner,
	})
	if room {
		f.prints[print] = true
	}
}

func (f *findings) join(o *findings) {
	f.tallies.Join(o.tallies)
	for k, n := range o.count {
		f.count[k] += n
	}
	f.exempted += o.exempted
}

func (f *findings) remark(what string, object cluster.Ref, subject, text string) {
	f.remarks[what]++
	f.tallies.Add(policyreport.Entry{
		Guardrail: what, Action: guardrail.Warn, Severity: "info", Object: object, Subject: subject,
		Message: text, Fingerprint: guardrail.Fingerprint("remark", what, object.String(), text),
	})
}

// trace tells the span of a round how much was found.
func (f *findings) trace(ctx context.Context) {
	s := span.From(ctx)
	if s == nil {
		return
	}
	total := 0
	for _, n := range f.count {
		total += n
	}
	s.SetAttributes(attribute.Int("podcullis.findings", total), attribute.Int("podcullis.exempted", f.exempted))
}
