package webhook

import (
	"errors"

	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podcullis/podcullis/cluster"
)

// takesAway reports whether an update of a stored NetworkPolicy that is too much to be
// read, before and after, does nothing but take elements away: whoever makes it smaller step
// by step is not refused.
func takesAway(r *admissionv1.AdmissionRequest, err error) bool {
	if !errors.Is(err, cluster.ErrOverBound) || r.Kind.Kind != "NetworkPolicy" {
		return false
	}
	was, errWas := understood(r.OldObject, &networkingv1.NetworkPolicy{})
	now, errNow := understood(r.Object, &networkingv1.NetworkPolicy{})
	return errWas == nil && errNow == nil && cluster.TakesAway(was, now)
}
