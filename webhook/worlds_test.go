package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/ledger"
)

// heldLedger is a ledger of a test, in which entries stay until the test frees them.
type heldLedger struct {
	mu      sync.Mutex
	entries []ledger.Entry
	writes  int
	err     error
	// meanwhile, if set, is what somebody else writes while a commit is under way.
	meanwhile func() ledger.Entry
}

func (l *heldLedger) View() ledger.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	return ledger.View{Entries: slices.Clone(l.entries), Sequence: uint64(l.writes)}
}

func (l *heldLedger) Commit(_ context.Context, e ledger.Entry, _ ledger.View, judge func(ledger.View) error) error {
	if l.err != nil {
		return l.err
	}
	if l.meanwhile != nil {
		l.add(l.meanwhile())
		l.meanwhile = nil
		if err := judge(l.View()); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(l.View().Entries, func(o ledger.Entry) bool { return sameEntry(o, e) }) {
		l.add(e)
	}
	return nil
}

func (l *heldLedger) WaitFor(ctx context.Context, condition func(ledger.View) bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition(l.View()) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (l *heldLedger) add(e ledger.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	e.ID = uint64(l.writes)
	l.entries = append(l.entries, e)
}

// free forgets the entries of one name.
func (l *heldLedger) free(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = slices.DeleteFunc(l.entries, func(e ledger.Entry) bool { return e.Ref.Name == name })
}

func withLedger(t *testing.T, o JudgeOptions) (*Judge, *liveShop, *heldLedger) {
	t.Helper()
	held := &heldLedger{}
	o.Remember, o.Ledger = true, held
	j, model, _ := newShop(t, o)
	return j, model, held
}

// What opens the database together: a pod of role etl that anybody may be, a netpol that
// lets role etl in.
const (
	etlPod    = "{metadata: {name: %s, namespace: shop, uid: %[1]s, labels: {app: frontend, role: etl}}}"
	plainPod  = "{metadata: {name: %s, namespace: shop, uid: plain-%[1]s, labels: {app: logging}}}"
	etlNetpol = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: etl, namespace: shop, uid: etl}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {matchLabels: {role: etl}}}]}]
  egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]
`
	isolatingNetpol = "{metadata: {name: isolating, namespace: shop, uid: i}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}"
)

func create(t *testing.T, kind, name, text string) admission.Request {
	t.Helper()
	r := request(t, "CREATE", kind, "shop", name, text, "")
	r.Resource.Group, r.Resource.Resource = r.Kind.Group, strings.ToLower(r.Kind.Kind)+"s"
	return r
}

func etlPodOf(t *testing.T, name string) admission.Request {
	return create(t, "Pod", name, fmt.Sprintf(etlPod, name))
}

func TestAChangeInTheMiddleMasksNoOther(t *testing.T) {
	for name, mask := range map[string]func(t *testing.T) admission.Request{
		"APodOfTheSameName":           func(t *testing.T) admission.Request { return create(t, "Pod", "front", fmt.Sprintf(plainPod, "front")) },
		"ANetpolThatQuotaRefusesThen": func(t *testing.T) admission.Request { return create(t, "NetworkPolicy", "isolating", isolatingNetpol) },
		"Nothing":                     nil,
	} {
		t.Run(name, func(t *testing.T) {
			j, _, _ := withLedger(t, JudgeOptions{})
			expect(t, j.Handle(t.Context(), etlPodOf(t, "front")), 0, "")
			if mask != nil {
				expect(t, j.Handle(t.Context(), mask(t)), 0, "")
			}
			expect(t, j.Handle(t.Context(), create(t, "NetworkPolicy", "etl", etlNetpol)), 429,
				"the answer depends on Pod shop/front, which was changed a moment ago and does not show yet; try again")
		})
	}
}

func TestAnAllowIsWrittenBeforeItIsAnswered(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		says   string
		result string
		retry  int32
	}{
		"Busy":        {ledger.ErrBusy, "other changes came first", "busy", 1},
		"Barrier":     {ledger.ErrBarrier, "was lost", "barrier", 11},
		"Unavailable": {fmt.Errorf("%w: etcd is away", ledger.ErrUnavailable), "etcd is away", "unavailable", 1},
		"Strange":     {errors.New("boom"), "boom", "failed", 1},
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			j, _, held := withLedger(t, JudgeOptions{Metrics: NewJudgeMetrics(registry)})
			held.err = test.err
			got := j.Handle(t.Context(), create(t, "NetworkPolicy", "fine", harmlessText))
			expect(t, got, 429, test.says)
			if got.Result.Details.RetryAfterSeconds != test.retry {
				t.Errorf("retry after %d s, want %d", got.Result.Details.RetryAfterSeconds, test.retry)
			}
			if n := sample(t, registry, "podcullis_ledger_retries_total", test.result); n != 1 {
				t.Errorf("counted %v as %s", n, test.result)
			}
			// What is refused is refused, and what changes nothing needs no ledger.
			expect(t, j.Handle(t.Context(), create(t, "NetworkPolicy", "allow-all", allowAllText)), 403, "[only-backend-reaches-db]")
			expect(t, j.Handle(t.Context(), request(t, "UPDATE", "NetworkPolicy", "shop", "fine", harmlessText, harmlessText)), 0, "")
			dry := create(t, "NetworkPolicy", "fine", harmlessText)
			yes := true
			dry.DryRun = &yes
			expect(t, j.Handle(t.Context(), dry), 0, "")
		})
	}
}

// sample is a counter of a vector with one label.
func sample(t *testing.T, registry *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name && m.Label[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s of %s", name, label)
	return 0
}

func TestWhatComesMeanwhileIsJudgedToo(t *testing.T) {
	j, _, held := withLedger(t, JudgeOptions{})
	pod := etlPodOf(t, "front")
	o, err := j.changeFrom(&pod.AdmissionRequest, &cluster.Snapshot{})
	if err != nil {
		t.Fatal(err)
	}
	entry, err := j.entryOf(&pod, o)
	if err != nil {
		t.Fatal(err)
	}
	held.meanwhile = func() ledger.Entry { return entry }
	expect(t, j.Handle(t.Context(), create(t, "NetworkPolicy", "etl", etlNetpol)), 429, "the answer depends on Pod shop/front")
	if len(held.View().Entries) != 1 {
		t.Errorf("what was not allowed is in flight: %v", held.View().Entries)
	}
}

// A review waits for what its answer depends on, and for nothing else.
func TestOnlyWhatMattersIsWaitedFor(t *testing.T) {
	j, model, held := withLedger(t, JudgeOptions{})
	expect(t, j.Handle(t.Context(), create(t, "Pod", "other", fmt.Sprintf(plainPod, "other"))), 0, "")
	began := time.Now()
	expect(t, j.Handle(t.Context(), etlPodOf(t, "front")), 0, "")
	expect(t, j.Handle(t.Context(), create(t, "NetworkPolicy", "fine", harmlessText)), 0, "")
	if took := time.Since(began); took > settleTime {
		t.Errorf("they waited %s for a pod that is no matter", took)
	}

	answer := make(chan admission.Response)
	go func() { answer <- j.Handle(t.Context(), create(t, "NetworkPolicy", "etl", etlNetpol)) }()
	pod := etlPodOf(t, "front")
	change, err := j.changeFrom(&pod.AdmissionRequest, &cluster.Snapshot{})
	if err != nil {
		t.Fatal(err)
	}
	model.show(t, change)
	held.free("front")
	expect(t, <-answer, 403, "could reach shop/StatefulSet/db")
}

// The API server reviews a PATCH once for each entry of the configuration, and tries one
// again that comes between two others.
func TestAReviewDoesNotWaitForItself(t *testing.T) {
	j, _, held := withLedger(t, JudgeOptions{})
	old := "{metadata: {name: front, namespace: shop, uid: u, resourceVersion: '7', labels: {app: frontend}}}"
	labelled := strings.Replace(old, "app: frontend", "app: frontend, role: etl", 1)
	patch := request(t, "UPDATE", "Pod", "shop", "front", labelled, old)
	patch.Resource.Resource = "pods"
	began := time.Now()
	for range 3 {
		expect(t, j.Handle(t.Context(), patch), 0, "")
	}
	if took := time.Since(began); took > settleTime {
		t.Errorf("took %s", took)
	}
	if held.writes != 1 {
		t.Errorf("written %d times", held.writes)
	}
	if e := held.View().Entries[0]; e.UID != "u" || e.Base != "7" || e.Resource != "pods" || e.Operation != ledger.Update {
		t.Errorf("entry is %+v", e)
	}
}

// The labels of a Binding are laid over whatever the pod is by then.
func TestABindingIsJudgedWithEveryVersionOfItsPod(t *testing.T) {
	binding := func(t *testing.T, labels string) admission.Request {
		r := request(t, "CREATE", "Binding", "shop", "front", "{metadata: {name: front, namespace: shop, labels: {"+labels+"}}, target: {kind: Node, name: node}}", "")
		r.Resource.Resource, r.SubResource = "pods", "binding"
		return r
	}
	base := "{metadata: {name: front, namespace: shop, uid: u, resourceVersion: '7', labels: {app: logging}}}"
	relabelled := strings.Replace(base, "app: logging", "app: frontend", 1)
	stored := func(t *testing.T, model *liveShop) {
		r := create(t, "Pod", "front", base)
		change, err := changeFrom(&r.AdmissionRequest, model.Snapshot(), time.Now(), cluster.Bounds{})
		if err != nil {
			t.Fatal(err)
		}
		model.show(t, change)
		r = create(t, "NetworkPolicy", "etl", strings.Replace(etlNetpol, "podSelector: {matchLabels: {role: etl}}", "podSelector: {matchLabels: {role: etl, app: frontend}}", 1))
		if change, err = changeFrom(&r.AdmissionRequest, model.Snapshot(), time.Now(), cluster.Bounds{}); err != nil {
			t.Fatal(err)
		}
		model.show(t, change)
	}
	relabel := func(t *testing.T) admission.Request {
		r := request(t, "UPDATE", "Pod", "shop", "front", relabelled, base)
		r.Resource.Resource = "pods"
		return r
	}
	t.Run("TheBindingComesSecond", func(t *testing.T) {
		j, model, _ := withLedger(t, JudgeOptions{})
		stored(t, model)
		expect(t, j.Handle(t.Context(), relabel(t)), 0, "")
		expect(t, j.Handle(t.Context(), binding(t, "role: etl")), 429, "the answer depends on Pod shop/front")
		expect(t, j.Handle(t.Context(), binding(t, "role: none")), 0, "")
	})
	t.Run("TheBindingComesFirst", func(t *testing.T) {
		j, model, _ := withLedger(t, JudgeOptions{})
		stored(t, model)
		expect(t, j.Handle(t.Context(), binding(t, "role: etl")), 0, "")
		expect(t, j.Handle(t.Context(), relabel(t)), 429, "the answer depends on Pod shop/front")
	})
}

// The model may be behind the version that was reviewed, and judged by its own what was
// shut a moment ago would count as open.
func TestTheVersionThatWasReviewedCounts(t *testing.T) {
	j, model, _ := withLedger(t, JudgeOptions{})
	open := "{metadata: {name: allow-all, namespace: shop, uid: a, resourceVersion: '1'}, spec: {podSelector: {}, ingress: [{}]}}"
	shut := "{metadata: {name: allow-all, namespace: shop, uid: a, resourceVersion: '2'}, spec: {podSelector: {matchLabels: {app: logging}}}}"
	r := create(t, "NetworkPolicy", "allow-all", open)
	change, err := changeFrom(&r.AdmissionRequest, model.Snapshot(), time.Now(), cluster.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	model.show(t, change)
	expect(t, j.Handle(t.Context(), request(t, "UPDATE", "NetworkPolicy", "shop", "allow-all", open, shut)), 403, "[only-backend-reaches-db]")
	expect(t, j.Handle(t.Context(), request(t, "DELETE", "NetworkPolicy", "shop", "allow-all", "", open)), 0, "")
	expect(t, j.Handle(t.Context(), create(t, "NetworkPolicy", "allow-all", open)), 403, "[only-backend-reaches-db]")
}

// client-go repeats what is answered 429 ten times, inside the worker of a controller.
func TestAControllerIsNotKeptWaiting(t *testing.T) {
	for user, code := range map[string]int32{
		"dev": 429, "system:serviceaccount:argocd:argocd-application-controller": 429,
		"system:kube-scheduler": 409, "system:serviceaccount:kube-system:replicaset-controller": 409,
	} {
		j, _, held := withLedger(t, JudgeOptions{})
		held.err = ledger.ErrBusy
		r := create(t, "Pod", "a", fmt.Sprintf(plainPod, "a"))
		r.UserInfo.Username = user
		expect(t, j.Handle(t.Context(), r), code, "other changes came first")
	}
}

func TestWhatTheOthersHaveToKnowOf(t *testing.T) {
	pod := func(meta, rest string) string {
		return "{metadata: {name: a, namespace: shop, uid: u, resourceVersion: '1', labels: {app: logging" + meta + "}}" + rest + "}"
	}
	for name, test := range map[string]struct {
		request admission.Request
		writes  int
	}{
		"APodIsLabelled":    {request(t, "UPDATE", "Pod", "shop", "a", pod(", x: z", ""), pod("", "")), 1},
		"APodIsDone":        {request(t, "UPDATE", "Pod", "shop", "a", pod("", ", status: {phase: Succeeded}"), pod("", "")), 0},
		"APodIsDeleted":     {request(t, "DELETE", "Pod", "shop", "a", "", pod("", "")), 0},
		"APodIsCreated":     {create(t, "Pod", "a", pod("", "")), 1},
		"ANetpolIsDeleted":  {request(t, "DELETE", "NetworkPolicy", "shop", "fine", "", harmlessText), 1},
		"ANamespaceIsMade":  {request(t, "CREATE", "Namespace", "", "new", "{metadata: {name: new, uid: ns}}", ""), 1},
		"ANamespaceIsEnded": {request(t, "DELETE", "Namespace", "", "new", "", "{metadata: {name: new, uid: ns}}"), 0},
		"AScaleUp": {request(t, "UPDATE", "Deployment", "shop", "d", "{metadata: {name: d, namespace: shop}, spec: {replicas: 2, template: {metadata: {labels: {app: logging}}}}}",
			"{metadata: {name: d, namespace: shop}, spec: {replicas: 1, template: {metadata: {labels: {app: logging}}}}}"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			j, _, held := withLedger(t, JudgeOptions{})
			expect(t, j.Handle(t.Context(), test.request), 0, "")
			if held.writes != test.writes {
				t.Errorf("written %d times, want %d", held.writes, test.writes)
			}
			exempt, _, none := withLedger(t, JudgeOptions{Exempt: func(string) bool { return true }})
			none.err = ledger.ErrUnavailable
			expect(t, exempt.Handle(t.Context(), test.request), 0, "")
		})
	}
}

func TestAnEntryIsReadAsItWasWritten(t *testing.T) {
	j, _, _ := withLedger(t, JudgeOptions{})
	for name, text := range map[string]string{
		"Pod":           "{metadata: {generateName: a-, name: a-x, namespace: shop, uid: u, labels: {app: web}, managedFields: [{manager: m}]}, spec: {hostNetwork: true, containers: [{name: c, env: [{name: A, value: b}], ports: [{name: http, containerPort: 80}]}]}}",
		"NetworkPolicy": etlNetpol,
		"Deployment":    "{metadata: {name: d, namespace: shop}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}}",
	} {
		r := create(t, name, "", text)
		change, err := j.changeFrom(&r.AdmissionRequest, &cluster.Snapshot{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := j.entryOf(&r, change)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(e.Content), "managedFields") || strings.Contains(string(e.Content), "env") {
			t.Errorf("%s: what no model reads is kept: %s", name, e.Content)
		}
		got, err := j.objectOf(e)
		if err != nil {
			t.Fatal(err)
		}
		if !(cluster.Change{Before: change.After, After: got}).Idle() {
			t.Errorf("%s: wrote %+v, read %+v", name, change.After, got)
		}
	}
}

// A netpol that is too large for the ledger counts as anything in its namespace.
func TestWhatIsTooLargeCountsAsAnything(t *testing.T) {
	j, _, held := withLedger(t, JudgeOptions{})
	var peers []string
	for i := range 400 {
		peers = append(peers, fmt.Sprintf("{podSelector: {matchLabels: {app: x%d}}}", i))
	}
	large := "{metadata: {name: large, namespace: shop, uid: l}, spec: {podSelector: {matchLabels: {app: logging}}, ingress: [{from: [" + strings.Join(peers, ",") + "]}]}}"
	expect(t, j.Handle(t.Context(), create(t, "NetworkPolicy", "large", large)), 0, "")
	if e := held.View().Entries[0]; !e.Opaque || e.Content != nil {
		t.Fatalf("entry is %+v", e)
	}
	expect(t, j.Handle(t.Context(), etlPodOf(t, "front")), 429, "the answer depends on NetworkPolicy shop/large")
	held.free("large")
	expect(t, j.Handle(t.Context(), etlPodOf(t, "front")), 0, "")
}

// Who a pod is has to be known.
func TestAPodThatIsTooLargeIsRefused(t *testing.T) {
	j, _, held := withLedger(t, JudgeOptions{})
	var labels, ports []string
	for i := range 200 {
		labels = append(labels, fmt.Sprintf("l%d: some-value-of-a-label", i))
		ports = append(ports, fmt.Sprintf("{containerPort: %d, protocol: TCP}", 1000+i))
	}
	many := "{metadata: {name: many, namespace: shop, uid: m, labels: {app: logging}}, spec: {containers: [{name: c, ports: [" + strings.Join(ports, ",") + "]}]}}"
	expect(t, j.Handle(t.Context(), create(t, "Pod", "many", many)), 0, "")
	if e := held.View().Entries[0]; e.Opaque || len(e.Content) > ledger.MaxContent {
		t.Errorf("ports without a name are kept: %d bytes", len(e.Content))
	}
	large := "{metadata: {name: large, namespace: shop, uid: l, labels: {app: logging, " + strings.Join(labels, ",") + "}}}"
	expect(t, j.Handle(t.Context(), create(t, "Pod", "large", large)), 400, "Pod shop/large: its labels, selector and named ports take")
}

// One tenant's creations that never come to be keep nobody else from anything that they
// have no part in, however many they are.
func TestACrowdIsNoCombination(t *testing.T) {
	j, _, held := withLedger(t, JudgeOptions{})
	inFlight := func(kind, name, text string) {
		t.Helper()
		r := create(t, kind, name, text)
		r.Namespace = "tenant"
		change, err := j.changeFrom(&r.AdmissionRequest, &cluster.Snapshot{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := j.entryOf(&r, change)
		if err != nil {
			t.Fatal(err)
		}
		held.add(e)
	}
	for i := range 16 {
		inFlight("Pod", fmt.Sprintf("t%d", i), fmt.Sprintf("{metadata: {name: t%d, namespace: tenant, uid: t%[1]d, labels: {app: logging, n: n%[1]d}}}", i))
		inFlight("NetworkPolicy", fmt.Sprintf("n%d", i), fmt.Sprintf("{metadata: {name: n%d, namespace: tenant, uid: n%[1]d}, spec: {podSelector: {matchLabels: {n: n%[1]d}}, policyTypes: [Ingress, Egress]}}", i))
	}
	began := time.Now()
	expect(t, j.Handle(t.Context(), create(t, "NetworkPolicy", "fine", harmlessText)), 0, "")
	expect(t, j.Handle(t.Context(), etlPodOf(t, "front")), 0, "")
	t.Logf("two reviews beside 32 entries: %s", time.Since(began))
	expect(t, j.Handle(t.Context(), create(t, "NetworkPolicy", "etl", etlNetpol)), 429, "the answer depends on Pod shop/front, which was changed a moment ago and does not show yet; try again")
}

// Both ends of a path can be netpols that are only being created.
func TestANetpolForEachEnd(t *testing.T) {
	j, model, _ := withLedger(t, JudgeOptions{})
	pod := create(t, "Pod", "front", "{metadata: {name: front, namespace: shop, uid: f, labels: {app: lonely}}}")
	change, err := changeFrom(&pod.AdmissionRequest, model.Snapshot(), time.Now(), cluster.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	model.show(t, change)
	egress := "{metadata: {name: out, namespace: shop, uid: o}, spec: {podSelector: {matchLabels: {app: lonely}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}}"
	ingress := "{metadata: {name: in, namespace: shop, uid: i}, spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {role: reader}}}]}]}}"
	expect(t, j.Handle(t.Context(), create(t, "NetworkPolicy", "out", egress)), 0, "")
	expect(t, j.Handle(t.Context(), create(t, "NetworkPolicy", "in", ingress)), 0, "")
	relabelled := "{metadata: {name: front, namespace: shop, uid: f, resourceVersion: '2', labels: {app: lonely, role: reader}}}"
	old := strings.Replace(relabelled, ", role: reader", "", 1)
	r := request(t, "UPDATE", "Pod", "shop", "front", relabelled, old)
	r.Resource.Resource = "pods"
	expect(t, j.Handle(t.Context(), r), 429, "the answer depends on NetworkPolicy shop/out and NetworkPolicy shop/in, which were changed a moment ago")
}
