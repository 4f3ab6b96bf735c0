package webhook

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/ledger"
)

// waitError is a refusal that ends by itself: what is asked for comes too early.
type waitError string

func (e waitError) Error() string { return string(e) }

// orWait turns the denial of a netpol's deletion into an answer to come back
// later, where nothing but the end of what is leaving already stands against it:
// "keep this NetworkPolicy" would be no advice for who uninstalls. What is judged
// stays the same: a pod that terminates still sends and receives.
func (j *Judge) orWait(ctx context.Context, r *admission.Request, change cluster.Change, v verdict) verdict {
	netpol, ok := change.Before.(*cluster.Netpol)
	if !ok || change.After != nil || v.err != nil || !v.decision.Denied() {
		return v
	}
	if leaving := j.needing(ctx, r, change, netpol); len(leaving) > 0 {
		reason := fmt.Sprintf("it is still needed by what is being deleted (%s), and can go when that is gone; try again then", enumerate(leaving))
		return j.later(r, v, waitError(reason), leaving)
	}
	if beingDeleted(r.OldObject) {
		// Nobody can keep it any more; for how long it is needed nobody knows, so
		// no client is asked to stay on the line.
		v.err = waitError("it is being deleted, and can go when nothing needs it any more or another NetworkPolicy does the same")
		v.code = http.StatusConflict
	}
	return v
}

// later asks the client to come back, at about the time when the objects are gone.
//
// A tool that deletes is asked with 429 and Retry-After, which client-go heeds,
// ten times: kubectl, helm and Argo CD, which repeat no request for any other
// answer, stay and succeed. A controller is not kept waiting, as it would do
// nothing else meanwhile: it tries again after a conflict by itself.
func (j *Judge) later(r *admission.Request, v verdict, why waitError, leaving []cluster.Object) verdict {
	v.err, v.code = why, http.StatusConflict
	if r.Operation == admissionv1.Delete && !slices.Contains(namespaceControllers, r.UserInfo.Username) {
		v.code, v.retryAfter = http.StatusTooManyRequests, patience(leaving, j.Clock())
	}
	return v
}

// The seconds after which a client is asked to come back, at least and at most.
const minRetryAfter, maxRetryAfter = 5, 30

// patience spreads the ten tries of client-go so that the grace period of the
// pods is over before the last one.
func patience(leaving []cluster.Object, now time.Time) int {
	const spread = 4
	var last time.Time
	for _, o := range leaving {
		if p, ok := o.(*cluster.Pod); ok && p.DeletedAt.After(last) {
			last = p.DeletedAt
		}
	}
	if !last.After(now) {
		return minRetryAfter
	}
	seconds := math.Ceil(last.Sub(now).Seconds() / spread)
	return int(min(max(seconds, minRetryAfter), maxRetryAfter))
}

// needing finds the leaving objects because of which alone a netpol may not go;
// nil when its deletion is refused without them, too.
func (j *Judge) needing(ctx context.Context, r *admission.Request, change cluster.Change, netpol *cluster.Netpol) []cluster.Object {
	s, err := j.expected()
	if err != nil {
		return nil
	}
	passesWithout := func(gone []cluster.Object) bool {
		without, err := s.Without(gone...)
		if err != nil {
			return false
		}
		return !j.evaluate(ctx, r, without, change).refuses()
	}
	selected := slices.DeleteFunc(s.Leaving(netpol.Namespace), func(o cluster.Object) bool { return !selects(netpol, o) })
	for _, leaving := range [][]cluster.Object{selected, s.LeavingAnywhere()} {
		if len(leaving) > 0 && passesWithout(leaving) {
			return fewest(leaving, passesWithout)
		}
	}
	return nil
}

// expected is the model with the changes that were allowed and do not show yet:
// helm deletes a Deployment and its netpol in the same moment.
func (j *Judge) expected() (*cluster.Snapshot, error) {
	view := j.view()
	return j.happened(j.Model.Snapshot(), slices.DeleteFunc(slices.Clone(view.Entries), func(e ledger.Entry) bool { return e.Opaque || e.Operation == ledger.Appear }))
}

func selects(netpol *cluster.Netpol, o cluster.Object) bool {
	switch o := o.(type) {
	case *cluster.Pod:
		return netpol.Selector.Matches(o.Labels) != selector.No
	case *cluster.Template:
		return netpol.Selector.Matches(o.Labels) != selector.No
	}
	return false
}

// fewest leaves out what need not go, family by family: a netpol that selects all
// pods of a namespace does not wait for those that another one isolates.
func fewest(leaving []cluster.Object, passesWithout func([]cluster.Object) bool) []cluster.Object {
	const tries = 16 // each is an evaluation
	for _, family := range families(leaving)[:min(tries, len(families(leaving)))] {
		rest := slices.DeleteFunc(slices.Clone(leaving), func(o cluster.Object) bool { return familyOf(o) == family })
		if len(rest) > 0 && len(rest) < len(leaving) && passesWithout(rest) {
			leaving = rest
		}
	}
	return leaving
}

func families(objects []cluster.Object) []cluster.Ref {
	var out []cluster.Ref
	for _, o := range objects {
		if f := familyOf(o); !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// familyOf is the controller of an object, or the object itself.
func familyOf(o cluster.Object) cluster.Ref {
	ref := o.Ref()
	var owners []cluster.Owner
	switch o := o.(type) {
	case *cluster.Pod:
		owners = o.Owners
	case *cluster.Template:
		owners = o.Owners
	}
	if c := cluster.ControllerOf(owners); c != nil {
		ref.Kind, ref.Name = c.Kind, c.Name
	}
	return ref
}

// enumerate names objects, not too many. Of workloads and their pods the pods are
// what people see last.
func enumerate(objects []cluster.Object) string {
	const few = 8
	objects = slices.Clone(objects)
	slices.SortStableFunc(objects, func(a, b cluster.Object) int { return rank(a) - rank(b) })
	var names []string
	for i, o := range objects {
		if i == few {
			return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), len(objects)-few)
		}
		names = append(names, o.Ref().String())
	}
	return strings.Join(names, ", ")
}

func rank(o cluster.Object) int {
	if _, isPod := o.(*cluster.Pod); isPod {
		return 0
	}
	return 1
}
