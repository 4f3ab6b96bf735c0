package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/webhook/review"
)

// What a caller learns whom nobody can tell from a stranger: the answer, the guardrails'
// names, and which objects of the namespace that it asks about have to do with it. What
// guardrails say is free text, so that nothing of it is taken over: a name is written down
// only after it was found in that namespace of the model. The log has all of it.

// conceal is the verdict without what is of other namespaces.
func (v verdict) conceal(r *admission.Request) verdict {
	own := ownNamespace(r)
	hide := func(x guardrail.Violation) guardrail.Violation {
		x.Message, x.Details = v.concerns(x.Message, own), nil
		x.About.Description = "" // free text; whom to ask may be told
		return x
	}
	d := guardrail.Decision{Subject: v.decision.Subject, Evaluated: v.decision.Evaluated, Revision: v.decision.Revision}
	for _, x := range v.decision.Violations {
		d.Violations = append(d.Violations, hide(x))
	}
	d.Violations = slices.CompactFunc(d.Violations, sameViolation) // how many there are tells, too
	for _, x := range v.decision.Exempted {
		d.Exempted = append(d.Exempted, guardrail.Exempted{Violation: hide(x.Violation), Exemption: "exempted"})
	}
	d.Exempted = slices.CompactFunc(d.Exempted, func(a, b guardrail.Exempted) bool { return sameViolation(a.Violation, b.Violation) })
	for _, f := range v.decision.Failures {
		d.Failures = append(d.Failures, guardrail.Failure{Guardrail: f.Guardrail, Action: f.Action, Err: errConcealed})
	}
	v.decision = d
	if v.claim != "" {
		v.claim = "that it belongs to the owner that it names was not counted"
	}
	if v.retryAfter > minRetryAfter {
		v.retryAfter = minRetryAfter // it follows from whose pods end when
	}
	v.err = concealedError(v.err, v.code)
	if v.refuses() || len(d.Violations) > 0 {
		v.hint = fmt.Sprintf("what is of other namespaces is not told here: podcullis's log says more (request uid %s)", r.UID)
	}
	return v
}

// ownNamespace is the one that a request is about.
func ownNamespace(r *admission.Request) string {
	if r.Kind.Kind == "Namespace" && r.Kind.Group == "" {
		return r.Name
	}
	return r.Namespace
}

func sameViolation(a, b guardrail.Violation) bool {
	return a.Guardrail == b.Guardrail && a.Action == b.Action && a.Message == b.Message
}

// reference is how messages name objects: "shop/Deployment/web" or "shop/web".
var reference = regexp.MustCompile(`[A-Za-z0-9.-]+(?:/[A-Za-z0-9.-]+){1,2}`)

// concerns says what of a message may be said.
func (v verdict) concerns(message, own string) string {
	const few = 8
	var ours []string
	others := false
	for _, text := range reference.FindAllString(message, -1) {
		text = strings.TrimRight(text, ".-") // the end of a sentence
		if name, ok := v.ours(text, own); ok {
			if !slices.Contains(ours, name) {
				ours = append(ours, name)
			}
		} else {
			others = others || v.elsewhere(text, own)
		}
	}
	if len(ours) > few {
		ours = append(ours[:few], "others there")
	}
	if others || len(ours) == 0 {
		ours = append(ours, "a workload in another namespace")
	}
	return "it concerns " + strings.Join(ours, ", ")
}

// ours is an object of the namespace by the name that it has in messages.
func (v verdict) ours(text, own string) (string, bool) {
	parts := strings.Split(text, "/")
	if v.after == nil || own == "" || parts[0] != own {
		return "", false
	}
	if len(parts) == 3 {
		ref := cluster.Ref{Namespace: own, Kind: parts[1], Name: parts[2]}
		_, isPod := v.after.Pod(own, ref.Name)
		_, isTemplate := v.after.Template(ref)
		_, isWorkload := v.after.Workload(ref)
		return ref.String(), isTemplate || isWorkload || (isPod && ref.Kind == "Pod")
	}
	if _, ok := v.after.Netpol(own, parts[1]); ok {
		return "NetworkPolicy " + text, true
	}
	_, ok := v.after.Pod(own, parts[1])
	return "Pod " + text, ok
}

func (v verdict) elsewhere(text, own string) bool {
	namespace, _, _ := strings.Cut(text, "/")
	if v.after == nil || namespace == own {
		return false
	}
	_, ok := v.after.Namespace(namespace)
	return ok
}

// concealedError says what went wrong without saying with what.
func concealedError(err error, code int) error {
	var waits waitError
	switch {
	case err == nil, errors.Is(err, review.ErrNoPlace):
		return err
	case errors.As(err, &waits):
		return waitError("other objects still need it, and it can go when they are gone; try again then")
	case code == http.StatusBadRequest && strings.HasPrefix(err.Error(), "request."):
		return err // about what the caller has sent
	case code == http.StatusTooManyRequests:
		return errors.New("the answer depends on something that was changed a moment ago and does not show yet; try again")
	}
	return errConcealed
}

var errConcealed = errors.New("podcullis's log says why")
