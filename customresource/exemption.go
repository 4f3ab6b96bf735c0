package customresource

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/customresource/v1alpha1"
	"github.com/podcullis/podcullis/guardrail"
)

func composeExemptions(instances []guardrail.Instance, objects Objects, now time.Time, out *Outcome) {
	all := slices.Clone(objects.Exemptions)
	slices.SortFunc(all, func(a, b *v1alpha1.Exemption) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	for _, x := range all {
		v, made := judge(instances, x)
		switch {
		case !v.Loaded.True:
			v.Ready = no(ReasonInvalid, "%s", v.Loaded.Message)
		case !v.Approved.True:
			v.Ready = no(v.Approved.Reason, "%s", v.Approved.Message)
		case objects.Unconfirmed != "":
			v.Ready = no(ReasonUnconfirmed, "%s", objects.Unconfirmed)
		case len(out.Exemptions) >= MaxExemptions:
			v.Ready = no(ReasonTooMany, "%d older objects of kind Exemption are in force, and more are not", MaxExemptions)
		default:
			out.Exemptions = append(out.Exemptions, made)
			v.Ready = yes(ReasonInForce, "through %s (UTC)", x.Spec.Expires)
			v.InForce = x.Generation
			if made.Expired(now) {
				v = v.expired(x.Spec.Expires)
			}
		}
		out.ExemptionObjects[types.NamespacedName{Namespace: x.Namespace, Name: x.Name}] = v
	}
	slices.SortFunc(out.Exemptions, func(a, b guardrail.Exemption) int { return strings.Compare(a.Name, b.Name) })
}

// judge says whether an exemption is right, and approved.
func judge(instances []guardrail.Instance, x *v1alpha1.Exemption) (Verdict, guardrail.Exemption) {
	made, faults := Exemption(x)
	if len(faults) == 0 {
		faults = CheckExemption(&made, instances)
	}
	return Verdict{Generation: x.Generation, Loaded: loaded(faults), Approved: approved(x)}, made
}

// approved tells whether somebody other than who asked has approved what the object says now.
func approved(x *v1alpha1.Exemption) Condition {
	a := x.Status.Approval
	switch {
	case a == nil || a.By == "":
		return no(ReasonNotApproved, "nobody has approved it: whoever may approve exemptions in namespace %s sets status.approval", x.Namespace)
	case a.Generation != x.Generation:
		return no(ReasonChangedSince, "status.approval.generation: %s has approved generation %d, and this is generation %d", a.By, a.Generation, x.Generation)
	case a.By == x.Spec.RequestedBy:
		return no(ReasonOwnApproval, "status.approval.by: %s has asked for it, and somebody else has to approve it", a.By)
	}
	return yes(ReasonApproved, "by %s", a.By)
}

// CheckExemption says what is wrong with an exemption, by the fields of the object.
func CheckExemption(x *guardrail.Exemption, instances []guardrail.Instance) []guardrail.FieldFault {
	faults := guardrail.CheckGranted(x, instances)
	for i := range faults {
		faults[i].Field = "spec." + faults[i].Field
	}
	return faults
}
