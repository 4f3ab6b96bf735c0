package claims

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/cache"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/podcullis/podcullis/cluster"
)

const (
	// timeout is for one answer, discovery and both reviews together.
	timeout = time.Second
	// answerTime is for how long an answer counts, failureTime for how long it counts
	// that there was none or that a kind is not served.
	answerTime  = time.Minute
	failureTime = 5 * time.Second
	// maxAnswers bounds what is kept: a few hundred bytes each.
	maxAnswers = 4096
	maxMissing = 256
	// The rate of questions, in one second and at once.
	qps, burst = 50, 100
)

// subresources are those of which a controller may update at least one.
var subresources = []string{"status", "finalizers"}

// Reviewer answers a SubjectAccessReview; client-go's client is one.
type Reviewer interface {
	Create(context.Context, *authorizationv1.SubjectAccessReview, metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error)
}

// Claims asks who may act for an owner. It is safe for concurrent use.
type Claims struct {
	reviewer Reviewer
	mapper   meta.RESTMapper
	answers  *cache.LRUExpireCache // question -> answer
	missing  *cache.LRUExpireCache // schema.GroupKind -> error
	flight   singleflight.Group
	asked    *prometheus.CounterVec
}

// New makes a Claims that asks an API server, which need not be there yet.
func New(config *rest.Config, registerer prometheus.Registerer) (*Claims, error) {
	config = rest.CopyConfig(config)
	config.Timeout, config.QPS, config.Burst = timeout, qps, burst
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, http)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	client, err := authorizationclient.NewForConfigAndClient(config, http)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	return newClaims(client.SubjectAccessReviews(), mapper, time.Now, registerer), nil
}

// clock is what the cache asks.
type clock func() time.Time

func (c clock) Now() time.Time { return c() }

func newClaims(r Reviewer, m meta.RESTMapper, now func() time.Time, registerer prometheus.Registerer) *Claims {
	c := &Claims{
		reviewer: r, mapper: m,
		answers: cache.NewLRUExpireCacheWithClock(maxAnswers, clock(now)),
		missing: cache.NewLRUExpireCacheWithClock(maxMissing, clock(now)),
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_access_questions_total",
			Help: "Questions to the API server whether a user may act for a custom resource, by its answer: allowed, denied or error. Answers count for a minute.",
		}, []string{"answer"}),
	}
	for _, answer := range []string{"allowed", "denied", "error"} {
		c.asked.WithLabelValues(answer)
	}
	registerer.MustRegister(c.asked)
	return c
}

// question is who wants to act for whom. The name is part of it, as rights can be
// given for one name.
type question struct {
	user                         [sha256.Size]byte
	namespace, group, kind, name string
}

type answer struct {
	allowed bool
	right   string
	err     error
}

// MayActFor reports whether a user may update the status or the finalizers of an
// owner, which is in that namespace unless its kind is in none; right names what that
// takes. An error means that the API server did not say.
func (c *Claims) MayActFor(ctx context.Context, user authenticationv1.UserInfo, namespace string, owner cluster.Owner) (allowed bool, right string, err error) {
	who, err := json.Marshal(user)
	if err != nil {
		return false, "", err
	}
	q := question{sha256.Sum256(who), namespace, owner.Group, owner.Kind, owner.Name}
	if known, ok := c.answers.Get(q); ok {
		a := known.(answer)
		return a.allowed, a.right, a.err
	}
	ctx, cancel := context.WithTimeout(ctx, patience(ctx))
	defer cancel()
	// Others may wait for the same answer, so that it outlives who asked first.
	result := c.flight.DoChan(fmt.Sprintf("%x/%q/%q/%q/%q", q.user, q.namespace, q.group, q.kind, q.name), func() (any, error) {
		if known, ok := c.answers.Get(q); ok { // of a flight that landed since it was looked for
			return known, nil
		}
		return c.ask(context.WithoutCancel(ctx), user, q), nil
	})
	select {
	case r := <-result:
		a := r.Val.(answer)
		return a.allowed, a.right, a.err
	case <-ctx.Done():
		return false, "", fmt.Errorf("the API server has not answered in time: %w", ctx.Err())
	}
}

// patience is how long to wait: whoever asks still has to answer itself.
func patience(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(timeout, time.Until(deadline)/2)
	}
	return timeout
}

// ask asks the API server and keeps what it says.
func (c *Claims) ask(ctx context.Context, user authenticationv1.UserInfo, q question) answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	a := c.review(ctx, user, q)
	keep := answerTime
	switch {
	case a.err != nil:
		keep = failureTime
		c.asked.WithLabelValues("error").Inc()
	case a.allowed:
		c.asked.WithLabelValues("allowed").Inc()
	default:
		c.asked.WithLabelValues("denied").Inc()
	}
	c.answers.Add(q, a, keep)
	return a
}

func (c *Claims) review(ctx context.Context, user authenticationv1.UserInfo, q question) answer {
	resource, namespaced, err := c.resourceOf(schema.GroupKind{Group: q.group, Kind: q.kind})
	if err != nil {
		return answer{err: err}
	}
	attributes := authorizationv1.ResourceAttributes{Verb: "update", Group: resource.Group, Resource: resource.Resource, Name: q.name}
	if namespaced {
		attributes.Namespace = q.namespace
	}
	a := answer{right: fmt.Sprintf("update %[1]s/%[2]s or %[1]s/%[3]s", resource.GroupResource(), subresources[0], subresources[1])}
	for _, subresource := range subresources {
		of := attributes
		of.Subresource = subresource
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			ResourceAttributes: &of,
			User:               user.Username, Groups: user.Groups, UID: user.UID, Extra: extraOf(user),
		}}
		reply, err := c.reviewer.Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return answer{err: fmt.Errorf("ask the API server (SubjectAccessReview): %w", err)}
		}
		if reply.Status.Allowed && !reply.Status.Denied {
			a.allowed = true
			return a
		}
	}
	return a
}

func extraOf(user authenticationv1.UserInfo) map[string]authorizationv1.ExtraValue {
	if len(user.Extra) == 0 {
		return nil
	}
	out := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for k, v := range user.Extra {
		out[k] = authorizationv1.ExtraValue(v)
	}
	return out
}

// resourceOf finds the resource of a kind. One that is not served is looked for again
// only after a while, because each look asks the API server anew.
func (c *Claims) resourceOf(kind schema.GroupKind) (resource schema.GroupVersionResource, namespaced bool, err error) {
	if known, ok := c.missing.Get(kind); ok {
		return resource, false, known.(error)
	}
	mapping, err := c.mapper.RESTMapping(kind)
	if err != nil {
		err = fmt.Errorf("which resource holds %s: %w", kind, err)
		c.missing.Add(kind, err, failureTime)
		return resource, false, err
	}
	return mapping.Resource, mapping.Scope.Name() == meta.RESTScopeNameNamespace, nil
}
