package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// askedClaims lets one user act for everybody, and notes what it is asked.
type askedClaims struct {
	user  string
	err   error
	asked []string
}

func (c *askedClaims) MayActFor(_ context.Context, user authenticationv1.UserInfo, namespace string, o cluster.Owner) (bool, string, error) {
	c.asked = append(c.asked, fmt.Sprintf("%s for %s.%s %s/%s", user.Username, o.Kind, o.Group, namespace, o.Name))
	return user.Username == c.user, "update pgclusters.example.com/status or pgclusters.example.com/finalizers", c.err
}

// oldHole is a namespace in which the pods of PgCluster pg, and of a Rollout by its
// ReplicaSet, reach what frontends must not reach.
func oldHole(t *testing.T, o JudgeOptions) (*Judge, *liveShop) {
	t.Helper()
	hole := clustertest.Labels("tier=frontend", "access=db")
	s := clustertest.Snapshot(t,
		clustertest.Namespace("data"),
		clustertest.Netpol("data/db", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {access: db}}}]}]}"),
		clustertest.StatefulSet("data/db", clustertest.Labels("app=db")),
		clustertest.Pod("data/pg-0", hole, clustertest.UID("p0"), owned("example.com/v1", "PgCluster", "pg", "u")),
		clustertest.Pod("data/plain", clustertest.Labels("app=plain"), clustertest.UID("p1")),
		clustertest.Deployment("data/web", hole, clustertest.UID("d")),
		clustertest.ReplicaSet("data/canary-1", clustertest.Labels("tier=frontend", "access=db", "hash=1"), clustertest.UID("c1"), owned("argoproj.io/v1alpha1", "Rollout", "canary", "c")),
		clustertest.Pod("data/canary-1-a", clustertest.Labels("tier=frontend", "access=db", "hash=1"), clustertest.UID("p2"), owned("apps/v1", "ReplicaSet", "canary-1", "c1")),
	)
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	config, err := guardrail.ParseConfig("test", []byte(strings.ReplaceAll(frontendConfig, "ACTION", string(cmp.Or(action(t), guardrail.Deny)))))
	if err != nil {
		t.Fatal(err)
	}
	if o.Evaluator, err = guardrail.New(library, config); err != nil {
		t.Fatal(err)
	}
	model := &liveShop{now: s, moved: make(chan struct{})}
	o.Model, o.Log, o.Mode = model, servingtest.Quiet, cmp.Or(o.Mode, Enforce)
	return NewJudge(o), model
}

// action is that of the guardrail in tests whose name says so.
func action(t *testing.T) guardrail.Action {
	if strings.HasSuffix(t.Name(), "Warns") {
		return guardrail.Warn
	}
	return ""
}

const frontendConfig = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- name: frontend-never-reaches-db
  guardrail: forbidden-paths
  action: ACTION
  parameters:
    from: {podSelector: {matchLabels: {tier: frontend}}}
    to: {podSelector: {matchLabels: {app: db}}}
`

func owned(version, kind, name, uid string) clustertest.Option {
	yes := true
	return clustertest.OwnedBy(metav1.OwnerReference{APIVersion: version, Kind: kind, Name: name, UID: types.UID(uid), Controller: &yes})
}

const (
	holeLabels  = "{tier: frontend, access: db}"
	plainLabels = "{app: plain}"
	ofPg        = "{apiVersion: example.com/v1, kind: PgCluster, name: pg, uid: u, controller: true}"
	ofNewWeb    = "{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: w1, controller: true}"
	notCounted  = "\nthat it belongs to PgCluster data/pg was not counted: "
	mayNot      = " may not update pgclusters.example.com/status or pgclusters.example.com/finalizers there"
)

// podOf is a pod as a review holds it; no owner when it is empty.
func podOf(name, uid, labels, owner string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: data, uid: %s, labels: %s, ownerReferences: [%s]}, spec: {containers: []}}", name, uid, labels, owner)
}

func madeWith(labels, owner string) string {
	return fmt.Sprintf("{metadata: {name: made, namespace: data, uid: m, labels: %[1]s, ownerReferences: [%[2]s]}, spec: {selector: {matchLabels: %[1]s}, template: {metadata: {labels: %[1]s}, spec: {containers: []}}}}", labels, owner)
}

func TestWhoMayClaim(t *testing.T) {
	const asked = "operator for PgCluster.example.com data/pg"
	create := func(labels, owner string) func(t *testing.T) admission.Request {
		return func(t *testing.T) admission.Request {
			return request(t, "CREATE", "Pod", "data", "x", podOf("x", "new", labels, owner), "")
		}
	}
	update := func(labels, owner, oldLabels, oldOwner string) func(t *testing.T) admission.Request {
		return func(t *testing.T) admission.Request {
			return request(t, "UPDATE", "Pod", "data", "plain", podOf("plain", "p1", labels, owner), podOf("plain", "p1", oldLabels, oldOwner))
		}
	}
	made := func(kind, labels, owner string) func(t *testing.T) admission.Request {
		return func(t *testing.T) admission.Request {
			return request(t, "CREATE", kind, "data", "made", madeWith(labels, owner), "")
		}
	}
	tests := map[string]struct {
		reason   string
		request  func(t *testing.T) admission.Request
		operator bool   // allowed to the operator; to a user of the namespace never
		free     bool   // allowed to everybody, and nobody is asked
		said     string // to the user, at the end
		asks     bool
	}{
		"TheOperatorMakesItsPodAgain": {request: create(holeLabels, ofPg), operator: true, asks: true, said: notCounted + "user dev" + mayNot},
		"APodThatNeedsNoPath":         {request: create(plainLabels, ofPg), free: true},
		"AnotherUID":                  {request: create(holeLabels, strings.Replace(ofPg, "uid: u", "uid: v", 1))},
		"AnotherGroup": {
			reason: "whoever may act for a made-up owner is asked nothing: it has no siblings", request: create(holeLabels, strings.Replace(ofPg, "example.com", "evil.example", 1)),
		},
		"AnotherName":      {request: create(holeLabels, strings.Replace(ofPg, "name: pg", "name: other", 1))},
		"NotTheController": {request: create(holeLabels, strings.Replace(ofPg, ", controller: true", "", 1))},
		"OtherLabels": {
			reason: "what its siblings do not mean, a claim does not lend", request: create("{tier: frontend, access: db, app: db}", ofPg),
		},
		"BothSidesAtOnce":         {request: create("{tier: frontend, app: db, access: db}", ofPg)},
		"LabelsAndClaimAtOnce":    {request: update(holeLabels, ofPg, plainLabels, ""), operator: true, asks: true, said: notCounted + "user dev" + mayNot},
		"FirstTheClaim":           {request: update(plainLabels, ofPg, plainLabels, ""), free: true},
		"TheLabelsAfterTheClaim":  {request: update(holeLabels, ofPg, plainLabels, ofPg), operator: true, asks: true, said: notCounted + "user dev" + mayNot},
		"TheClaimIsGivenUp":       {request: update(plainLabels, "", plainLabels, ofPg), free: true},
		"ABareReplicaSetClaims":   {reason: "a pod lends nothing to a template, whoever asks", request: made("ReplicaSet", holeLabels, ofPg)},
		"AReplicaSetOfTheRollout": {request: made("ReplicaSet", holeLabels, "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: canary, uid: c, controller: true}"), operator: true, asks: true, said: "\nthat it belongs to Rollout data/canary was not counted: user dev" + mayNot},
		"AJobOfTheRollout":        {request: made("Job", holeLabels, "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: canary, uid: c, controller: true}"), operator: true, asks: true, said: "\nthat it belongs to Rollout data/canary was not counted: user dev" + mayNot},
		"APodOfTheRollout": {
			reason:  "its ReplicaSet is in the model and bears it out, whoever makes it: the replicaset-controller may not act for Rollouts",
			request: create("{tier: frontend, access: db, hash: '1'}", "{apiVersion: apps/v1, kind: ReplicaSet, name: canary-1, uid: c1, controller: true}"), free: true,
		},
		"APodOfTheRolloutWithOtherLabels": {request: create("{tier: frontend, access: db, hash: '1', app: db}", "{apiVersion: apps/v1, kind: ReplicaSet, name: canary-1, uid: c1, controller: true}")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, user := range []string{"operator", "dev"} {
				claims := &askedClaims{user: "operator"}
				j, model := oldHole(t, JudgeOptions{Claims: claims})
				r := test.request(t)
				r.UserInfo.Username = user
				if old, ok := oldPod(t, r); ok {
					now, _ := model.Snapshot().Pod("data", "plain")
					model.show(t, cluster.Change{Before: now, After: old})
				}
				got := j.Handle(t.Context(), r)
				if want := test.free || (test.operator && user == "operator"); got.Allowed != want {
					t.Errorf("%s: %s: allowed is %v, want %v: %v", test.reason, user, got.Allowed, want, got.Result)
				}
				if user == "dev" && !got.Allowed && !strings.HasSuffix(got.Result.Message, test.said) {
					t.Errorf("said:\n%s\nwant at the end:%s", got.Result.Message, test.said)
				}
				if !got.Allowed && test.said == "" && strings.Contains(got.Result.Message, "not counted") {
					t.Errorf("the claim made no difference, and it is spoken of:\n%s", got.Result.Message)
				}
				if asks := len(claims.asked) > 0; asks != test.asks {
					t.Errorf("%s: asked %q, want %v", user, claims.asked, test.asks)
				}
				if name == "TheOperatorMakesItsPodAgain" && user == "operator" && (len(claims.asked) != 1 || claims.asked[0] != asked) {
					t.Errorf("asked %q, want %q", claims.asked, asked)
				}
			}
		})
	}
}

// oldPod is what the model has to hold for an update.
func oldPod(t *testing.T, r admission.Request) (cluster.Object, bool) {
	t.Helper()
	if r.Operation != "UPDATE" {
		return nil, false
	}
	o, err := modelObject(&r.AdmissionRequest, r.OldObject, "oldObject", cluster.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	return o, true
}

func TestAClaimThatNobodyCanJudgeIsNotBelieved(t *testing.T) {
	const refusal = "[frontend-never-reaches-db] data/PgCluster/pg could reach data/StatefulSet/db"
	for name, test := range map[string]struct {
		claims Claims
		want   string
	}{
		"NoAPIServer": {want: notCounted + "there is no API server to ask who may act for it"},
		"AnError":     {claims: &askedClaims{user: "dev", err: errors.New("away")}, want: notCounted + "whether user dev may act for it could not be found out: away"},
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			j, _ := oldHole(t, JudgeOptions{Claims: test.claims, Metrics: NewJudgeMetrics(registry)})
			r := request(t, "CREATE", "Pod", "data", "x", podOf("x", "new", holeLabels, ofPg), "")
			got := j.Handle(t.Context(), r)
			expect(t, got, 403, refusal)
			if !strings.HasSuffix(got.Result.Message, test.want) {
				t.Errorf("said:\n%s\nwant at the end:%s", got.Result.Message, test.want)
			}
			if got.AuditAnnotations["claim"] != strings.TrimSpace(test.want) {
				t.Errorf("annotations %q", got.AuditAnnotations)
			}
			if n := counted(t, registry, "podcullis_claims_total", claimFailed); n != 1 {
				t.Errorf("%v failures are counted", n)
			}
			j.Mode = Audit
			got = j.Handle(t.Context(), r)
			if !got.Allowed || len(got.Warnings) < 2 || got.Warnings[len(got.Warnings)-1] != strings.TrimSpace(test.want) {
				t.Errorf("a dry run: %v %q", got.Allowed, got.Warnings)
			}
		})
	}
}

// A guardrail that only warns would otherwise cry at each drain.
func TestAClaimCountsForAGuardrailThatWarns(t *testing.T) {
	r := request(t, "CREATE", "Pod", "data", "x", podOf("x", "new", holeLabels, ofPg), "")
	j, _ := oldHole(t, JudgeOptions{Claims: &askedClaims{user: "dev"}})
	if got := j.Handle(t.Context(), r); !got.Allowed || len(got.Warnings) > 0 {
		t.Errorf("believed: %v %q", got.Allowed, got.Warnings)
	}
	j, _ = oldHole(t, JudgeOptions{Claims: &askedClaims{}})
	if got := j.Handle(t.Context(), r); !got.Allowed || len(got.Warnings) < 2 || !strings.Contains(got.Warnings[len(got.Warnings)-1], "was not counted") {
		t.Errorf("not believed: %v %q", got.Allowed, got.Warnings)
	}
}

func TestWhatIsSaidOfAClaimIsOneShortLine(t *testing.T) {
	j, _ := oldHole(t, JudgeOptions{Claims: &askedClaims{}})
	r := request(t, "CREATE", "Pod", "data", "x", podOf("x", "new", holeLabels, ofPg), "")
	r.UserInfo.Username = "a\nb" + strings.Repeat("c", 5000)
	said := j.Handle(t.Context(), r).Result.Message
	last := said[strings.LastIndex(said, "\n")+1:]
	if !strings.HasPrefix(last, "that it belongs to PgCluster data/pg was not counted: user a bccc") || len(last) > maxClaim+2 {
		t.Errorf("%d bytes: %.200s", len(last), last)
	}
}

// counted is a counter with one label.
func counted(t *testing.T, registry *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name && len(metric.GetLabel()) == 1 && metric.GetLabel()[0].GetValue() == label {
				return metric.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no %s of %s", name, label)
	return 0
}
