package webhook

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/cluster/wire"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

// liveShop is a model that moves when the test says so.
type liveShop struct {
	mu    sync.Mutex
	now   *cluster.Snapshot
	moved chan struct{}
}

func (l *liveShop) Snapshot() *cluster.Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *liveShop) show(t *testing.T, c cluster.Change) {
	t.Helper()
	next, err := l.Snapshot().Apply(c)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = next
	close(l.moved)
	l.moved = make(chan struct{})
}

func (l *liveShop) WaitFor(ctx context.Context, condition func(*cluster.Snapshot) bool) bool {
	for {
		l.mu.Lock()
		now, moved := l.now, l.moved
		l.mu.Unlock()
		if condition(now) {
			return true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

func newShop(t *testing.T, o JudgeOptions) (*Judge, *liveShop, *manifest.Set) {
	t.Helper()
	set, err := manifest.Load([]string{"../examples/shop", "../test/demo/pods.yaml"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	model := &liveShop{now: s, moved: make(chan struct{})}
	if o.Evaluator == nil {
		library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
		if err != nil {
			t.Fatal(err)
		}
		config, err := guardrail.ParseConfig("test", []byte(shopConfig))
		if err != nil {
			t.Fatal(err)
		}
		if o.Evaluator, err = guardrail.New(library, config); err != nil {
			t.Fatal(err)
		}
	}
	o.Model = model
	o.Log = slog.New(slog.DiscardHandler)
	o.Mode = cmp.Or(o.Mode, Enforce)
	return NewJudge(o), model, set
}

const shopConfig = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- {name: default-deny, guardrail: default-deny, action: deny}
- name: only-backend-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters:
    from: {podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [backend, db]}]}}
    to: {podSelector: {matchLabels: {app: db}}}
`

var kinds = map[string]metav1.GroupVersionKind{
	"NetworkPolicy": {Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	"Pod":           {Version: "v1", Kind: "Pod"},
	"Binding":       {Version: "v1", Kind: "Binding"},
	"Deployment":    {Group: "apps", Version: "v1", Kind: "Deployment"},
	"Namespace":     {Version: "v1", Kind: "Namespace"},
	"ReplicaSet":    {Group: "apps", Version: "v1", Kind: "ReplicaSet"},
	"Job":           {Group: "batch", Version: "v1", Kind: "Job"},
}

func raw(t *testing.T, text string) runtime.RawExtension {
	t.Helper()
	if text == "" {
		return runtime.RawExtension{}
	}
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return runtime.RawExtension{Raw: j}
}

func request(t *testing.T, operation, kind, namespace, name, object, oldObject string) admission.Request {
	t.Helper()
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "u", Operation: admissionv1.Operation(operation), Kind: kinds[kind], Namespace: namespace, Name: name,
		Object: raw(t, object), OldObject: raw(t, oldObject), UserInfo: authenticationv1.UserInfo{Username: "dev"},
	}}
}

const (
	allowAllText  = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: allow-all, namespace: shop}, spec: {podSelector: {}, ingress: [{}]}}"
	harmlessText  = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: fine, namespace: shop}, spec: {podSelector: {matchLabels: {app: logging}}}}"
	terminatingNs = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, deletionTimestamp: '2026-11-24T00:00:00Z'}}"
)

func TestWhatTheJudgeMakesOfARequest(t *testing.T) {
	tests := map[string]struct {
		reason    string
		request   func(t *testing.T, set *manifest.Set) admission.Request
		code      int32 // 0 means allowed
		mentioned string
	}{
		"OneMoreAllow": {
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				return request(t, "CREATE", "NetworkPolicy", "shop", "allow-all", allowAllText, "")
			},
			code: 403, mentioned: "1 guardrail denies this change to NetworkPolicy shop/allow-all:\n[only-backend-reaches-db] ",
		},
		"ADeletionWithoutAName": {
			reason: "a collection's objects are deleted with an empty request.name; oldObject says which",
			request: func(t *testing.T, set *manifest.Set) admission.Request {
				o, _ := set.Lookup(cluster.Ref{Namespace: "shop", Kind: "NetworkPolicy", Name: "default-deny"})
				return request(t, "DELETE", "NetworkPolicy", "shop", "", "", string(o.JSON))
			},
			code: 403, mentioned: "to fix: keep NetworkPolicy shop/default-deny, or",
		},
		"ADeletionWithoutOldObject": {
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				return request(t, "DELETE", "NetworkPolicy", "shop", "default-deny", "", "")
			},
			code: 400, mentioned: "request.oldObject: missing",
		},
		"TheLastFinalizerDropped": {
			reason: "no DELETE will follow: this update removes the object",
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				old := "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: default-deny, namespace: shop, deletionTimestamp: '2026-11-24T00:00:00Z', finalizers: [x/y]}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}"
				return request(t, "UPDATE", "NetworkPolicy", "shop", "default-deny", strings.Replace(old, ", finalizers: [x/y]", "", 1), old)
			},
			code: 409, mentioned: "\n[default-deny]",
		},
		"AGeneratedName": {
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				return request(t, "CREATE", "NetworkPolicy", "shop", "", strings.Replace(allowAllText, "name: allow-all", "generateName: allow-", 1), "")
			},
			code: 403, mentioned: "NetworkPolicy shop/allow-*:",
		},
		"AnObjectOfTheWrongShape": {
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				return request(t, "CREATE", "NetworkPolicy", "shop", "x", "{metadata: {name: x}, spec: {podSelector: 7}}", "")
			},
			code: 400, mentioned: "request.object: is no NetworkPolicy",
		},
		"ASelectorThatDoesNotParse": {
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				return request(t, "CREATE", "NetworkPolicy", "shop", "x", "{metadata: {name: x, namespace: shop}, spec: {podSelector: {matchLabels: {'a b': c}}}}", "")
			},
			code: 400, mentioned: "spec.podSelector",
		},
		"AnotherNamespaceThanTheRequests": {
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				return request(t, "CREATE", "NetworkPolicy", "other", "allow-all", allowAllText, "")
			},
			code: 400, mentioned: `request.object.metadata.namespace: "shop", but request.namespace is "other"`,
		},
		"AnotherVersionOfAKnownKind": {
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				r := request(t, "CREATE", "NetworkPolicy", "shop", "allow-all", allowAllText, "")
				r.Kind.Version = "v2"
				return r
			},
			code: 400, mentioned: `version "v2" of NetworkPolicy is not understood`,
		},
		"AnUnknownKind": {
			reason: "a webhook that is registered for everything stops nobody's leases",
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				r := request(t, "CREATE", "Pod", "shop", "x", "{metadata: {name: x}}", "")
				r.Kind = metav1.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Thing"}
				return r
			},
		},
		"ScaleIsHarmless": {
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				r := request(t, "UPDATE", "Deployment", "shop", "frontend", "{}", "{}")
				r.SubResource, r.Kind = "scale", metav1.GroupVersionKind{Group: "autoscaling", Version: "v1", Kind: "Scale"}
				return r
			},
		},
		"ABindingThatLabels": {
			reason: "the labels of a Binding are laid over the pod's",
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				r := request(t, "CREATE", "Binding", "shop", "frontend-6d4b9c-x7k2p", "{metadata: {name: frontend-6d4b9c-x7k2p, namespace: shop, labels: {app: backend}}, target: {name: node-1}}", "")
				r.SubResource = "binding"
				return r
			},
			code: 403, mentioned: "Pod shop/frontend-6d4b9c-x7k2p:\n[only-backend-reaches-db] shop/Pod/frontend-6d4b9c-x7k2p could reach shop/StatefulSet/db on TCP 5432",
		},
		"ABindingWithTheSchedulersLabels": {
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				return request(t, "CREATE", "Binding", "shop", "frontend-6d4b9c-x7k2p", "{metadata: {name: frontend-6d4b9c-x7k2p, namespace: shop, labels: {topology.kubernetes.io/zone: a}}, target: {name: node-1}}", "")
			},
		},
		"ABindingOfAPodNobodyKnows": {
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				return request(t, "CREATE", "Binding", "shop", "ghost", "{metadata: {name: ghost, labels: {app: backend}}, target: {name: node-1}}", "")
			},
			code: 429, mentioned: "not in the model yet",
		},
		"TheNamespaceItself": {
			reason: "deleting a namespace deletes what is in it, one by one; by itself it opens nothing",
			request: func(t *testing.T, _ *manifest.Set) admission.Request {
				return request(t, "DELETE", "Namespace", "shop", "shop", "", "{metadata: {name: shop}}")
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j, _, set := newShop(t, JudgeOptions{})
			expect(t, j.Handle(t.Context(), test.request(t, set)), test.code, test.mentioned)
		})
	}
}

func expect(t *testing.T, got admission.Response, code int32, mentioned string) {
	t.Helper()
	if got.Allowed != (code == 0) {
		t.Fatalf("allowed is %v, want code %d: %v", got.Allowed, code, got.Result)
	}
	if code != 0 && (got.Result.Code != code || !strings.Contains(got.Result.Message, mentioned)) {
		t.Errorf("got code %d: %s\nwant code %d and %q", got.Result.Code, got.Result.Message, code, mentioned)
	}
}

func TestTheEndOfANamespace(t *testing.T) {
	controller := func(t *testing.T, j *Judge, set *manifest.Set, user string) admission.Response {
		o, _ := set.Lookup(cluster.Ref{Namespace: "shop", Kind: "NetworkPolicy", Name: "default-deny"})
		r := request(t, "DELETE", "NetworkPolicy", "shop", "default-deny", "", string(o.JSON))
		r.UserInfo.Username = user
		return j.Handle(t.Context(), r)
	}
	const namespaceController = "system:serviceaccount:kube-system:namespace-controller"
	deleted := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	now := deleted.Add(time.Minute)
	j, model, set := newShop(t, JudgeOptions{Now: func() time.Time { return now }})

	expect(t, controller(t, j, set, namespaceController), 403, "[default-deny]")
	model.show(t, cluster.Change{After: &cluster.Namespace{Name: "shop", DeletedAt: deleted}})
	expect(t, controller(t, j, set, namespaceController), 409, "pods left: 1")
	expect(t, controller(t, j, set, "dev"), 429, "pods left: 1 (shop/Pod/frontend-6d4b9c-x7k2p)")
	j.Mode = Audit
	if got := controller(t, j, set, namespaceController); !got.Allowed || len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], "would be denied for now: NetworkPolicy shop/default-deny has to wait: ") {
		t.Errorf("a dry run of waiting: %v %q", got.Allowed, got.Warnings)
	}
	j.Mode = Enforce
	now = deleted.Add(terminationPatience)
	expect(t, controller(t, j, set, namespaceController), 0, "")
	now = deleted.Add(time.Minute)
	pod, _ := model.Snapshot().Pod("shop", "frontend-6d4b9c-x7k2p")
	model.show(t, cluster.Change{Before: pod})
	expect(t, controller(t, j, set, namespaceController), 0, "")
}

// Two changes that are harmless alone: a pod is labelled role=etl, and a netpol
// lets role=etl in. Together they open the database.
func TestTwoChangesThatOnlyTogetherOpenAPath(t *testing.T) {
	held := &heldLedger{}
	j, model, set := newShop(t, JudgeOptions{Remember: true, Ledger: held})
	o, _ := set.Lookup(cluster.Ref{Namespace: "shop", Kind: "Pod", Name: "frontend-6d4b9c-x7k2p"})
	old := string(o.JSON)
	labelled := strings.Replace(old, `"app":"frontend"`, `"app":"frontend","role":"etl"`, 1)
	if labelled == old {
		t.Fatal("the pod was not labelled")
	}
	relabel := request(t, "UPDATE", "Pod", "shop", o.Name, labelled, old)
	netpol := request(t, "CREATE", "NetworkPolicy", "shop", "etl", `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: etl, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {matchLabels: {role: etl}}}]}]
  egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]
`, "")
	// egress to db is open for everybody by the netpol, ingress only for role=etl: forbidden only with the label.
	expect(t, j.Handle(t.Context(), relabel), 0, "")
	expect(t, j.Handle(t.Context(), netpol), 429, "changed a moment ago")

	pod, _ := model.Snapshot().Pod("shop", o.Name)
	l := map[string]string{"role": "etl"}
	for k, v := range pod.Labels {
		l[k] = v
	}
	model.show(t, cluster.Change{Before: pod, After: pod.WithLabels(l)})
	held.free(o.Name)
	expect(t, j.Handle(t.Context(), netpol), 403, "shop/Deployment/frontend could reach shop/StatefulSet/db")
}

// What was just allowed counts for the next request even if its watch event is slow.
func TestAnAllowedChangeIsWaitedFor(t *testing.T) {
	j, model, held := withLedger(t, JudgeOptions{})
	deny := request(t, "CREATE", "NetworkPolicy", "lab", "default-deny", "{metadata: {name: default-deny, namespace: lab}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}", "")
	pod := request(t, "CREATE", "Pod", "lab", "x", "{metadata: {name: x, namespace: lab}, spec: {containers: []}}", "")
	expect(t, j.Handle(t.Context(), pod), 403, "[default-deny]")
	expect(t, j.Handle(t.Context(), deny), 0, "")
	answer := make(chan admission.Response)
	go func() { answer <- j.Handle(t.Context(), pod) }()
	netpol, err := cluster.FromAPI(mustDecode(t, deny))
	if err != nil {
		t.Fatal(err)
	}
	model.show(t, cluster.Change{After: netpol})
	held.free("default-deny")
	expect(t, <-answer, 0, "")
}

func mustDecode(t *testing.T, r admission.Request) runtime.Object {
	t.Helper()
	o := wire.New(r.Kind)
	if err := yaml.Unmarshal(r.Object.Raw, o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestADryRunRequestLeavesNoTrace(t *testing.T) {
	j, _, held := withLedger(t, JudgeOptions{})
	r := request(t, "CREATE", "NetworkPolicy", "shop", "fine", harmlessText, "")
	yes := true
	r.DryRun = &yes
	expect(t, j.Handle(t.Context(), r), 0, "")
	if held.writes > 0 {
		t.Errorf("a dry run is remembered: %v", held.entries)
	}
}

func TestAuditModeAllowsAndTells(t *testing.T) {
	j, _, _ := newShop(t, JudgeOptions{Mode: Audit})
	got := j.Handle(t.Context(), request(t, "CREATE", "NetworkPolicy", "shop", "allow-all", allowAllText, ""))
	if !got.Allowed {
		t.Fatalf("denied: %v", got.Result)
	}
	want := "would be denied: [only-backend-reaches-db] shop/Deployment/analytics and shop/Deployment/logging could reach shop/StatefulSet/db on all ports"
	all := strings.Join(got.Warnings, "\n")
	if len(got.Warnings) == 0 || got.Warnings[0] != want {
		t.Errorf("warnings are %q, want %q first", got.Warnings, want)
	}
	for _, more := range []string{"\nopened by: ingress rule 1 of NetworkPolicy shop/allow-all\n", "\nto fix: leave the pods with app=db out of its podSelector", "\npodSelector: {matchExpressions: ", "\nto see why: podcullis explain --context CONTEXT -f FILE shop/Deployment/analytics shop/StatefulSet/db"} {
		if !strings.Contains(all, more) {
			t.Errorf("no warning says %q:\n%s", more, all)
		}
	}
	if got.AuditAnnotations["decision"] != "would-deny" || !strings.Contains(got.AuditAnnotations["violations"], "deny [only-backend-reaches-db]") {
		t.Errorf("audit annotations are %v", got.AuditAnnotations)
	}
	if bad := j.Handle(t.Context(), request(t, "CREATE", "Pod", "shop", "x", "", "")); !bad.Allowed || len(bad.Warnings) != 1 {
		t.Errorf("what cannot be judged is allowed in a dry run, with a warning: %+v", bad)
	}
}

// failing is an Evaluator that never has an answer.
type failing struct{ err error }

func (f failing) Evaluate(ctx context.Context, _ guardrail.Review) (guardrail.Decision, error) {
	if f.err == nil {
		<-ctx.Done()
		return guardrail.Decision{}, ctx.Err()
	}
	return guardrail.Decision{}, f.err
}

func (failing) Judges(schema.GroupKind) bool { return true }

func TestAnErrorIsNeverAnAllow(t *testing.T) {
	for name, test := range map[string]struct {
		evaluator failing
		code      int32
	}{
		"AGuardrailFails":     {failing{errors.New("guardrail x: division by zero")}, http.StatusInternalServerError},
		"TheDeadlineIsPassed": {failing{}, http.StatusGatewayTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			j, _, _ := newShop(t, JudgeOptions{Evaluator: test.evaluator, EvaluationTime: 20 * time.Millisecond})
			expect(t, j.Handle(t.Context(), request(t, "CREATE", "NetworkPolicy", "shop", "fine", harmlessText, "")), test.code, "could not be judged, so it is refused")
		})
	}
}
