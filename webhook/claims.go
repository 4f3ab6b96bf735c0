package webhook

import (
	"context"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
)

// Claims knows who may act for an owner that the model does not hold, such as a custom
// resource; *claims.Claims asks the API server.
type Claims interface {
	// MayActFor reports whether a user could be the controller of an owner, and which
	// right that takes ("update things.example.com/status"). An error means that
	// nobody knows.
	MayActFor(ctx context.Context, user authenticationv1.UserInfo, namespace string, owner cluster.Owner) (allowed bool, right string, err error)
}

// What became of the claims that decided an answer.
const (
	claimBelieved = "believed"
	claimRefused  = "refused"
	claimFailed   = "failed"
)

// weighClaim is the answer where the object of a change belongs to an owner that the
// model does not hold. Owner references are claims, and neither uids nor labels are
// secret: what such an owner's pods could do is lent only to a user who could be its
// controller. That is asked only when it makes a difference.
func (j *Judge) weighClaim(ctx context.Context, r *admission.Request, before *cluster.Snapshot, change cluster.Change, meanwhile []cluster.Change, v verdict) verdict {
	if v.err != nil || len(v.decision.Violations) == 0 || change.After == nil {
		return v
	}
	owner, ok := v.after.UnmodelledOwner(change.After.Ref())
	if !ok {
		return v
	}
	believed := j.evaluateOnce(ctx, r, before, change, meanwhile, true)
	if believed.err != nil || believed.decision.Count() >= v.decision.Count() {
		return v
	}
	doubt := j.doubt(ctx, r, owner)
	if doubt == "" {
		return believed
	}
	v.claim = oneLine(fmt.Sprintf("that it belongs to %s %s/%s was not counted: %s", owner.Kind, r.Namespace, owner.Name, doubt))
	return v
}

// doubt is why a claim is not believed; empty when it is.
func (j *Judge) doubt(ctx context.Context, r *admission.Request, owner cluster.Owner) string {
	if j.Claims == nil {
		j.Metrics.claims.WithLabelValues(claimFailed).Inc()
		return "there is no API server to ask who may act for it"
	}
	allowed, right, err := j.Claims.MayActFor(ctx, r.UserInfo, r.Namespace, owner)
	switch {
	case err != nil:
		j.Metrics.claims.WithLabelValues(claimFailed).Inc()
		return fmt.Sprintf("whether user %s may act for it could not be found out: %v", r.UserInfo.Username, err)
	case !allowed:
		j.Metrics.claims.WithLabelValues(claimRefused).Inc()
		return fmt.Sprintf("user %s may not %s there", r.UserInfo.Username, right)
	}
	j.Metrics.claims.WithLabelValues(claimBelieved).Inc()
	return ""
}

// maxClaim bounds, in characters, what is said about a claim: kind and name of an owner
// are what somebody wrote.
const maxClaim = 1024

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxClaim {
		return string(r[:maxClaim-1]) + "…"
	}
	return s
}
