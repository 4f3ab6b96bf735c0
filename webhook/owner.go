package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/webhook/review"
)

// What became of the owners that were waited for.
const (
	ownerSeen    = "seen"
	ownerMissing = "missing"
)

// missingOwner is the owner that the object of a refused change begins to name and that
// the model does not hold, though it holds that kind: each kind has a watch of its own,
// and a controller makes pods in the moment in which it sees its ReplicaSet.
func missingOwner(v verdict, change cluster.Change) (cluster.Owner, bool) {
	if v.err != nil || !v.decision.Denied() || change.After == nil {
		return cluster.Owner{}, false
	}
	owner, ok := v.after.MissingOwner(change.After.Ref())
	if !ok || slices.Contains(ownersOf(change.Before), owner) {
		return cluster.Owner{}, false
	}
	return owner, true
}

func ownersOf(o cluster.Object) []cluster.Owner {
	switch o := o.(type) {
	case *cluster.Pod:
		return o.Owners
	case *cluster.Template:
		return o.Owners
	}
	return nil
}

// waitForOwner gives an owner a moment to show in the model.
func (j *Judge) waitForOwner(ctx context.Context, r *admission.Request, owner cluster.Owner) bool {
	seen := false
	err := review.WaitOutside(ctx, "an owner", func() {
		ctx, cancel := context.WithTimeout(ctx, settleTime)
		defer cancel()
		seen = j.Model.WaitFor(ctx, func(s *cluster.Snapshot) bool { return s.Owns(r.Namespace, owner) })
	})
	seen = seen && err == nil
	if seen {
		j.Metrics.owners.WithLabelValues(ownerSeen).Inc()
	} else {
		j.Metrics.owners.WithLabelValues(ownerMissing).Inc()
	}
	return seen
}

// ownerNotSeen is the answer when it depends on an owner that did not show: nobody can
// tell one that is made up from one that was created a moment ago.
func ownerNotSeen(v verdict, r *admission.Request, owner cluster.Owner) verdict {
	first := v.decision.With(guardrail.Deny)[0]
	text := fmt.Sprintf("it names %s %s/%s (uid %s), which is not known: if it was created a moment ago, try again; without it: [%s] %s",
		owner.Kind, r.Namespace, owner.Name, owner.UID, first.Guardrail, first.Summary())
	return verdict{
		decision:   guardrail.Decision{Subject: v.decision.Subject},
		err:        errors.New(oneLine(text)),
		code:       http.StatusTooManyRequests,
		retryAfter: 1,
	}
}
