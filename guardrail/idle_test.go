package guardrail

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

// occasions are guardrails of a stranger, and whether each is asked about an update that
// changes nothing in the model, and an annotation of the object.
var occasions = map[string]struct {
	body  string
	asked bool
}{
	"model":       {`violation contains "x" if count(netpol.opened({"from": {}, "to": {}})) > 0`, false},
	"model-here":  {"violation contains \"x\" if {\n\tinput.request.operation == \"UPDATE\"\n\tcount(netpol.exposed({})) > 100\n}", false},
	"object":      {`violation contains "x" if input.request.object.metadata.annotations.bad`, true},
	"user":        {`violation contains "x" if input.request.userInfo.username == "eve"`, true},
	"review-user": {`violation contains "x" if input.review.userInfo.username == "eve"`, true},
	"subresource": {`violation contains "x" if input.request.subResource == "ephemeralcontainers"`, true},
	"dry-run":     {`violation contains "x" if input.request.dryRun`, true},
	"options":     {`violation contains "x" if input.request.options.fieldManager == "eve"`, true},
	"time":        {`violation contains "x" if input.time > "2026-11-25"`, true},
	"freeze":      {"violation contains \"x\" if {\n\tinput.request.operation == \"UPDATE\"\n\tinput.request.namespace == \"frozen\"\n}", true},
	"all":         {`violation contains "x" if object.get(input, ["request", "userInfo", "username"], "") == "eve"`, true},
	"shared":      {`violation contains "x" if data.lib.who.eve`, true},
}

func strangers(t testing.TB) *Engine {
	t.Helper()
	config := "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n"
	files := map[string]string{"lib.rego": "package lib.who\neve if input.request.userInfo.username == \"eve\"\n"}
	for name, o := range occasions {
		files[name+".rego"] = metadata + "package guardrails." + strings.ReplaceAll(name, "-", "_") + "\n" + o.body + "\n"
		config += fmt.Sprintf("- {name: %s, guardrail: %s, action: deny}\n", name, name)
	}
	l, err := library(files)
	if err != nil {
		t.Fatal(err)
	}
	e, err := configure("c", config, l)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWhoReadsTheOccasionIsAskedThoughNothingChanges(t *testing.T) {
	e := strangers(t)
	before := clustertest.Pod("frozen/a", clustertest.Labels("app=a"))
	after := before.DeepCopy()
	after.Annotations = map[string]string{"note": "hi"}
	r := review(t, clustertest.Snapshot(t, before), before, after)
	d, err := e.Evaluate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range occasions {
		if got := slices.Contains(d.Evaluated, name); got != o.asked {
			t.Errorf("%s is asked: %t, want %t", name, got, o.asked)
		}
	}
}

// A namespace that is being deleted means the same to the model until it is gone, and
// that it is deleted is something to say all the same.
func TestADeletionThatChangesNothingIsAskedAbout(t *testing.T) {
	e := engine(t, Deny, map[string]string{"paths": "violation contains \"kept\" if {\n\tinput.request.operation == \"DELETE\"\n\tcount(netpol.opened({\"from\": {}, \"to\": {}})) == 0\n}"})
	before := clustertest.Namespace("shop")
	r := review(t, clustertest.Snapshot(t, before), before, nil)
	terminating := *r.Change.Before.(*cluster.Namespace)
	terminating.DeletedAt = today
	r.Change.After, r.After = &terminating, clustertest.Apply(t, r.Before, r.Change)
	r.Request.Name = "shop"
	d, err := e.Evaluate(t.Context(), r)
	if err != nil || len(d.Violations) != 1 {
		t.Errorf("got %v %v", messages(d), err)
	}
}

// TestLawNothingIsWhatTheFullJudgementFinds: whatever is updated, the decision is that of
// asking all guardrails about everything.
func TestLawNothingIsWhatTheFullJudgementFinds(t *testing.T) {
	config := string(DefaultConfig) + `
- name: paths
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {front: "yes"}}}, to: {podSelector: {matchLabels: {back: "yes"}}}}
- name: possible-paths
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {front: "yes"}}}, to: {podSelector: {matchLabels: {back: "yes"}}}, scope: possible}
- name: lifelines
  guardrail: required-paths
  action: warn
  parameters: {from: {podSelector: {matchLabels: {a: "1"}}}, to: {podSelector: {matchLabels: {back: "yes"}}}}
`
	full := func() *Engine {
		e, err := configure("c", config, embedded(t))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	engines := map[string][2]*Engine{"shipped": {full(), full()}, "strangers'": {strangers(t), strangers(t)}}
	for _, pair := range engines {
		set := pair[1].current.Load()
		set.fields = nil // all of the request
		for _, i := range set.instances {
			i.readsOccasion = true
		}
	}
	idle, denied := 0, 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 3))
		s, before, after := randomUpdate(r)
		q := review(t, clustertest.Snapshot(t, s...), before, after)
		q.Request.SubResource = []string{"", "status", "ephemeralcontainers"}[r.IntN(3)]
		q.Request.UserInfo.Username = []string{"ann", "eve"}[r.IntN(2)]
		q.Request.DryRun = new(r.IntN(2) == 0)
		if q.Change.Idle() {
			idle++
		}
		for whose, pair := range engines {
			got, gotErr := pair[0].Evaluate(t.Context(), q)
			want, wantErr := pair[1].Evaluate(t.Context(), q)
			got.Evaluated, want.Evaluated = nil, nil
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Decision{})); diff != "" || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
				t.Fatalf("seed %d, %s guardrails, %s of %s (-full +here):\n%s%v, here %v", seed, whose, q.Request.Operation, q.Subject(), diff, wantErr, gotErr)
			}
			if len(got.Violations) > 0 {
				denied++
			}
		}
	}
	if idle < 100 || denied < 100 {
		t.Errorf("%d updates change nothing and %d are objected to: that shows little", idle, denied)
	}
}

// randomUpdate is a cluster, and an object in it before and after. An annotation changes always.
func randomUpdate(r *rand.Rand) (objects []runtime.Object, before, after runtime.Object) {
	labels := func() clustertest.Option {
		l := []string{"x=y"}
		for _, label := range []string{"a=1", "front=yes", "back=yes"} {
			if r.IntN(2) == 0 {
				l = append(l, label)
			}
		}
		return clustertest.Labels(l...)
	}
	selector := func() string {
		return []string{"{}", "{matchLabels: {a: '1'}}", "{matchLabels: {front: 'yes'}}", "{matchLabels: {back: 'yes'}}"}[r.IntN(4)]
	}
	place := func() string { return []string{"shop", "frozen"}[r.IntN(2)] }
	objects = append(objects, clustertest.Namespace("shop", "team=a"), clustertest.Namespace("frozen", "team=b"))
	for i := range 3 {
		objects = append(objects, clustertest.Pod(fmt.Sprintf("%s/p%d", place(), i), labels(), clustertest.Port("http", 80, "TCP")),
			clustertest.Deployment(fmt.Sprintf("%s/d%d", place(), i), labels()))
	}
	netpol := func(name string) runtime.Object {
		return clustertest.Netpol(name, fmt.Sprintf("{podSelector: %s, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: %s}]}], egress: [{to: [{namespaceSelector: {}, podSelector: %s}]}]}", selector(), selector(), selector()))
	}
	objects = append(objects, netpol(place()+"/n0"), netpol(place()+"/n1"))
	before = objects[r.IntN(len(objects))]
	after = before.DeepCopyObject()
	meta := after.(metav1.Object)
	annotations := map[string]string{"note": fmt.Sprint(r.Uint64())}
	if r.IntN(4) == 0 {
		annotations["bad"] = "yes"
	}
	meta.SetAnnotations(annotations)
	meta.SetResourceVersion("8")
	if r.IntN(3) > 0 {
		return objects, before, after
	}
	switch o := after.(type) { // what means something, too
	case *corev1.Pod:
		labelled := clustertest.Pod("x/x", labels())
		o.Labels = labelled.Labels
	case *corev1.Namespace:
		o.Labels["team"] = "c"
	case *appsv1.Deployment:
		o.Spec.Template.Spec.HostNetwork = !o.Spec.Template.Spec.HostNetwork
	case *networkingv1.NetworkPolicy:
		o.Spec.Ingress = nil
	}
	return objects, before, after
}
