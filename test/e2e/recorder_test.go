package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	model "github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/remote"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/webhook"
	"github.com/podcullis/podcullis/webhook/review"
	"github.com/podcullis/podcullis/webhook/serving"
)

// recorder is a webhook with the doors of Podcullis and its judge, which lets everything
// pass and notes what each review would do to the model.
type recorder struct {
	c      cluster
	client dynamic.Interface

	mu     sync.Mutex
	judged map[model.Ref][]model.Object // what it was said that an object becomes; nil for gone
	seen   map[string]int               // reviews by door
	ending map[model.Ref]bool           // namespaces of which a review said that they end
	before *model.Snapshot              // as it was the last time
	now    *model.Snapshot              // as the judge sees it
	shut   string                       // the door that is left out, as if it were not registered
}

// record registers a recorder until the end of the test.
func (c cluster) record(t *testing.T) *recorder {
	t.Helper()
	client, err := dynamic.NewForConfig(c.REST())
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{c: c, client: client, judged: map[model.Ref][]model.Object{}, seen: map[string]int{}, ending: map[model.Ref]bool{}}
	r.before = r.snapshot(t.Context(), t)
	r.now = r.before
	certs := filepath.Join(t.TempDir(), "certs")
	g := &gate{c: c, ca: writeCertificate(t, certs)}
	certificates, err := serving.LoadCertificates(certs, serving.CertificateDirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := serving.NewServer(serving.Options{BindAddress: "127.0.0.1:0", Certificates: certificates, DrainTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	judge := webhook.NewJudge(webhook.JudgeOptions{Evaluator: r, Model: r})
	handler := admission.HandlerFunc(func(ctx context.Context, q admission.Request) admission.Response {
		if !r.open(&q.AdmissionRequest) {
			return admission.Allowed("")
		}
		return judge.Handle(ctx, q)
	})
	server.Register("/validate", review.NewHandler(handler, review.Options{}))
	address, err := server.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.address = address.(*net.TCPAddr).String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	api := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	hooks := entries(gateOptions{}, g)
	hooks[0].NamespaceSelector = nil // the namespaces of the system are in the model, too
	hooks[0].MatchConditions = c.chartConditions(t)
	if _, err := api.Create(t.Context(), &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "recorder"}, Webhooks: hooks}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Delete(context.Background(), "recorder", metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	await(t, "the recorder to be in force", func(ctx context.Context) error {
		_, _, _ = c.Kubectl(ctx, hostPod, "create", "--dry-run=server", "-f", "-")
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.seen) == 0 {
			return fmt.Errorf("it was not asked")
		}
		return nil
	})
	return r
}

// chartConditions are those by which the chart has the API server leave something out.
func (c cluster) chartConditions(t *testing.T) []admissionregistrationv1.MatchCondition {
	t.Helper()
	out, _, err := c.Helm(t.Context(), "template", "gate", repository(t, "charts", "podcullis"), "--show-only", "templates/validatingwebhookconfiguration.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var configuration admissionregistrationv1.ValidatingWebhookConfiguration
	if err := yaml.Unmarshal([]byte(out), &configuration); err != nil {
		t.Fatal(err)
	}
	var all []admissionregistrationv1.MatchCondition
	for _, w := range configuration.Webhooks {
		if w.Name != "self.podcullis.io" {
			all = append(all, w.MatchConditions...)
		}
	}
	if len(all) == 0 {
		t.Fatal("the chart leaves nothing out")
	}
	return all
}

// open tells whether a request comes by a door that is not left out.
func (r *recorder) open(q *admissionv1.AdmissionRequest) bool {
	door := q.Resource.Group + "/" + q.Resource.Resource
	if q.SubResource != "" {
		door += "/" + q.SubResource
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if door == r.shut {
		return false
	}
	r.seen[door]++
	return true
}

// Evaluate implements webhook.Evaluator.
func (r *recorder) Evaluate(_ context.Context, review guardrail.Review) (guardrail.Decision, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := review.Change; c.Before != nil || c.After != nil {
		ref := c.Ref()
		r.judged[ref] = append(r.judged[ref], settled(c.After))
		if ns, ok := c.After.(*model.Namespace); ok && ns.Terminating() {
			r.ending[ref] = true // it goes by itself when nothing is in it
		}
	}
	return guardrail.Decision{}, nil
}

// Judges implements webhook.Evaluator.
func (r *recorder) Judges(schema.GroupKind) bool { return false }

// Snapshot implements webhook.Model.
func (r *recorder) Snapshot() *model.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// WaitFor implements webhook.Model: it looks again.
func (r *recorder) WaitFor(ctx context.Context, condition func(*model.Snapshot) bool) bool {
	s, err := r.read(ctx)
	if err != nil {
		return false
	}
	r.mu.Lock()
	r.now = s
	r.mu.Unlock()
	return condition(s)
}

// noOther is the discovery of an API server without other policy APIs.
type noOther struct{}

func (noOther) ServerPreferredResources() ([]*metav1.APIResourceList, error) { return nil, nil }

// read is the model of what is stored now.
func (r *recorder) read(ctx context.Context) (*model.Snapshot, error) {
	set, err := remote.Read(ctx, r.client, noOther{}, "cluster")
	if err != nil {
		return nil, err
	}
	return set.Snapshot()
}

func (r *recorder) snapshot(ctx context.Context, t *testing.T) *model.Snapshot {
	t.Helper()
	s, err := r.read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unjudged lists what in the model is not as it was the last time, and did not become what
// a review said.
func (r *recorder) unjudged(t *testing.T) []string {
	t.Helper()
	after := r.snapshot(t.Context(), t)
	r.mu.Lock()
	defer r.mu.Unlock()
	was, is := byRef(r.before), byRef(after)
	r.before, r.now = after, after
	var out []string
	for ref, now := range is {
		if before, ok := was[ref]; (!ok || !reflect.DeepEqual(before, now)) && !r.said(ref, now) {
			out = append(out, fmt.Sprintf("%s is %s, was %s, and no review said so", ref, shown(now), shown(before)))
		}
	}
	for ref := range was {
		// A pod that goes opens nothing; an eviction comes without a DELETE.
		if _, ok := is[ref]; !ok && ref.Kind != "Pod" && !r.ending[ref] && !r.said(ref, nil) {
			out = append(out, fmt.Sprintf("%s is gone, and no review said so", ref))
		}
	}
	return out
}

func (r *recorder) said(ref model.Ref, what model.Object) bool {
	for _, o := range r.judged[ref] {
		if reflect.DeepEqual(o, what) {
			return true
		}
	}
	return false
}

func byRef(s *model.Snapshot) map[model.Ref]model.Object {
	out := map[model.Ref]model.Object{}
	for o := range s.Objects() {
		if o = settled(o); o != nil {
			out[o.Ref()] = o
		}
	}
	return out
}

// settled is an object without what a graceful deletion writes: it stays in the model,
// as it was, until it is gone. Nil for what is gone. How it was written is no part of what
// it means.
func settled(o model.Object) model.Object {
	switch o := o.(type) {
	case *model.Pod:
		p := *o
		p.DeletedAt, p.Document = time.Time{}, nil
		if p.Gone {
			return nil
		}
		return &p
	case *model.Namespace:
		n := *o
		n.DeletedAt, n.Document = time.Time{}, nil
		if n.Implied {
			return nil
		}
		return &n
	case *model.Template:
		t := *o
		t.DeletedAt, t.Orphans, t.Document = time.Time{}, false, nil
		return &t
	case *model.Netpol:
		n := *o
		n.Document = nil
		return &n
	}
	return o
}

func shown(o model.Object) string {
	switch o := o.(type) {
	case nil:
		return "not there"
	case *model.Pod:
		return fmt.Sprintf("%v %v %v", o.Labels, o.Owners, o.Bound)
	case *model.Template:
		return fmt.Sprintf("%v %v %v", o.Labels, o.ObjectLabels, o.Owners)
	case *model.Namespace:
		return fmt.Sprint(o.Labels)
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", o), "*")
}

// do is one request of the test as the administrator, with whatever body.
func (r *recorder) do(t *testing.T, client *http.Client, method, path, contentType string, body []byte) (int, []byte) {
	t.Helper()
	return request(t, client, method, r.c.URL+path, contentType, body)
}
