package claims

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
)

// authorizer answers as the rights say, written "user verb resource/subresource namespace/name".
type authorizer struct {
	rights []string
	err    error
	hold   chan struct{} // until it is closed nobody gets an answer
	// entered gets a signal when the first question is there.
	entered chan struct{}

	mu    sync.Mutex
	asked []string
	specs []authorizationv1.SubjectAccessReviewSpec
}

func (a *authorizer) Create(ctx context.Context, r *authorizationv1.SubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error) {
	x := r.Spec.ResourceAttributes
	text := fmt.Sprintf("%s %s %s.%s/%s %s/%s", r.Spec.User, x.Verb, x.Resource, x.Group, x.Subresource, x.Namespace, x.Name)
	a.mu.Lock()
	a.asked = append(a.asked, text)
	a.specs = append(a.specs, r.Spec)
	a.mu.Unlock()
	select {
	case a.entered <- struct{}{}:
	default:
	}
	if a.hold != nil {
		select {
		case <-a.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r.Status.Allowed = slices.Contains(a.rights, text)
	return r, a.err
}

func (a *authorizer) questions() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// kinds is a mapper of two kinds that counts how often it is asked.
type kinds struct {
	meta.RESTMapper
	mu    sync.Mutex
	looks int
}

func (k *kinds) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looks++
	return k.RESTMapper.RESTMapping(gk, versions...)
}

func servedKinds() *kinds {
	v1 := schema.GroupVersion{Group: "example.test", Version: "v1"}
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{v1})
	m.Add(v1.WithKind("PgCluster"), meta.RESTScopeNamespace)
	m.Add(v1.WithKind("Fleet"), meta.RESTScopeRoot)
	return &kinds{RESTMapper: m}
}

var (
	pg       = cluster.Owner{Group: "example.test", Kind: "PgCluster", Name: "pg", UID: "u", Controller: true}
	fleet    = cluster.Owner{Group: "example.test", Kind: "Fleet", Name: "f", UID: "u", Controller: true}
	operator = authenticationv1.UserInfo{Username: "operator", UID: "7", Groups: []string{"a", "b"}, Extra: map[string]authenticationv1.ExtraValue{"scopes": {"x"}}}
)

const (
	statusRight     = "operator update pgclusters.example.test/status data/pg"
	finalizersRight = "operator update pgclusters.example.test/finalizers data/pg"
)

func TestMayActFor(t *testing.T) {
	tests := map[string]struct {
		reason string
		rights []string
		err    error
		owner  cluster.Owner
		want   string
		asked  []string
	}{
		"MayUpdateTheStatus":     {rights: []string{statusRight}, owner: pg, want: "yes", asked: []string{statusRight}},
		"MayUpdateTheFinalizers": {rights: []string{finalizersRight}, owner: pg, want: "yes", asked: []string{statusRight, finalizersRight}},
		"MayUpdateNeither": {
			owner: pg, want: "no: update pgclusters.example.test/status or pgclusters.example.test/finalizers", asked: []string{statusRight, finalizersRight},
		},
		"AKindOfNoNamespace": {
			rights: []string{"operator update fleets.example.test/status /f"}, owner: fleet, want: "yes",
			asked: []string{"operator update fleets.example.test/status /f"},
		},
		"AKindThatIsNotServed": {
			reason: "an owner that is made up is nobody's",
			owner:  cluster.Owner{Group: "evil.test", Kind: "PgCluster", Name: "pg"}, want: "error: which resource holds PgCluster.evil.test: ",
		},
		"AnError": {
			reason: "no answer is no yes, whatever the status says",
			rights: []string{statusRight}, err: errors.New("away"), owner: pg, want: "error: ask the API server (SubjectAccessReview): away", asked: []string{statusRight},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := &authorizer{rights: test.rights, err: test.err}
			c := newClaims(a, servedKinds(), time.Now, prometheus.NewRegistry())
			allowed, right, err := c.MayActFor(t.Context(), operator, "data", test.owner)
			got := "no: " + right
			switch {
			case err != nil:
				got = "error: " + err.Error()
			case allowed:
				got = "yes"
			}
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("%s: got %s, want %s", test.reason, got, test.want)
			}
			if diff := cmp.Diff(test.asked, a.questions()); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheWholeUserIsAskedFor(t *testing.T) {
	a := &authorizer{rights: []string{statusRight}}
	c := newClaims(a, servedKinds(), time.Now, prometheus.NewRegistry())
	if _, _, err := c.MayActFor(t.Context(), operator, "data", pg); err != nil {
		t.Fatal(err)
	}
	got := a.specs[0]
	want := authorizationv1.SubjectAccessReviewSpec{
		User: "operator", UID: "7", Groups: []string{"a", "b"}, Extra: map[string]authorizationv1.ExtraValue{"scopes": {"x"}},
		ResourceAttributes: got.ResourceAttributes,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAnswersAreKeptForAMinute(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	a := &authorizer{rights: []string{statusRight}}
	c := newClaims(a, servedKinds(), func() time.Time { return now }, prometheus.NewRegistry())
	ask := func(user authenticationv1.UserInfo, owner cluster.Owner, questions int) {
		t.Helper()
		before := len(a.questions())
		_, _, _ = c.MayActFor(t.Context(), user, "data", owner)
		if got := len(a.questions()) - before; got != questions {
			t.Errorf("%d questions, want %d", got, questions)
		}
	}
	ask(operator, pg, 1)
	ask(operator, pg, 0)
	other := pg
	other.UID = "another incarnation"
	ask(operator, other, 0)
	other.Name = "other"
	ask(operator, other, 2) // rights may be for one name
	inGroup := operator
	inGroup.Groups = []string{"a"}
	ask(inGroup, pg, 1)
	now = now.Add(answerTime - time.Second)
	ask(operator, pg, 0)
	now = now.Add(2 * time.Second)
	ask(operator, pg, 1)

	a.err = errors.New("away")
	now = now.Add(answerTime + time.Second)
	ask(operator, pg, 1)
	ask(operator, pg, 0)
	now = now.Add(failureTime + time.Second)
	a.err = nil
	ask(operator, pg, 1)
	if allowed, _, err := c.MayActFor(t.Context(), operator, "data", pg); !allowed || err != nil {
		t.Errorf("after the error: %v, %v", allowed, err)
	}
}

func TestAKindThatIsNotServedIsLookedForNowAndThen(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	k := servedKinds()
	c := newClaims(&authorizer{}, k, func() time.Time { return now }, prometheus.NewRegistry())
	ask := func(name string, looks int) {
		t.Helper()
		_, _, err := c.MayActFor(t.Context(), operator, "data", cluster.Owner{Group: "evil.test", Kind: "X", Name: name})
		if err == nil || k.looks != looks {
			t.Errorf("%v, %d looks, want %d", err, k.looks, looks)
		}
	}
	ask("a", 1)
	ask("b", 1)
	now = now.Add(failureTime + time.Second)
	ask("c", 2)
}

func TestCachesAreBounded(t *testing.T) {
	c := newClaims(&authorizer{}, servedKinds(), time.Now, prometheus.NewRegistry())
	for i := range maxAnswers + 10 {
		owner := pg
		owner.Name = fmt.Sprint(i)
		_, _, _ = c.MayActFor(t.Context(), operator, "data", owner)
	}
	if got := len(c.answers.Keys()); got > maxAnswers {
		t.Errorf("%d answers are kept", got)
	}
}

// What many wait for is asked once, and whoever asked first may go.
func TestTheSameQuestionIsAskedOnce(t *testing.T) {
	a := &authorizer{rights: []string{statusRight}, hold: make(chan struct{}), entered: make(chan struct{}, 1)}
	c := newClaims(a, servedKinds(), time.Now, prometheus.NewRegistry())
	first, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, _, err := c.MayActFor(first, operator, "data", pg)
		left <- err
	}()
	<-a.entered
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if allowed, _, err := c.MayActFor(t.Context(), operator, "data", pg); !allowed || err != nil {
				t.Errorf("%v, %v", allowed, err)
			}
		})
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(a.hold)
	all.Wait()
	if got := a.questions(); len(got) != 1 {
		t.Errorf("asked %q", got)
	}
}

func TestAnAPIServerThatDoesNotAnswerIsNotWaitedFor(t *testing.T) {
	a := &authorizer{hold: make(chan struct{})}
	defer close(a.hold)
	c := newClaims(a, servedKinds(), time.Now, prometheus.NewRegistry())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // half of it is left over, on a busy machine too
	defer cancel()
	allowed, _, err := c.MayActFor(ctx, operator, "data", pg)
	if allowed || err == nil || !strings.Contains(err.Error(), "has not answered in time") {
		t.Errorf("%v, %v", allowed, err)
	}
	if ctx.Err() != nil {
		t.Error("nothing is left of the request's own time")
	}
}
