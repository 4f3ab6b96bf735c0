package connectivity_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// history is a cluster that is watched, with what is remembered of it. relayed is
// what a chain of replicas remembers, each of which saw one step.
type history struct {
	t               *testing.T
	snapshot        *cluster.Snapshot
	memory, relayed *cluster.Memory
	now             time.Time
}

var historyLimits = cluster.MemoryLimits{For: time.Hour, PerNamespace: 10, Total: 100}

func newHistory(t *testing.T, objects ...runtime.Object) *history {
	s := clustertest.Snapshot(t, objects...)
	m := cluster.NewMemory(s, historyLimits)
	return &history{t, s.WithMemory(m), m, m, time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)}
}

func (h *history) apply(changes ...cluster.Change) {
	s := clustertest.Apply(h.t, h.snapshot, changes...)
	h.memory = h.memory.After(s, h.now)
	h.relayed = copied(h.t, h.relayed.After(s, h.now), s, historyLimits, h.now)
	h.snapshot = s.WithMemory(h.memory)
	h.now = h.now.Add(time.Second)
}

func (h *history) create(objects ...runtime.Object) { h.apply(clustertest.Create(h.t, objects...)...) }

func (h *history) delete(objects ...runtime.Object) { h.apply(clustertest.Delete(h.t, objects...)...) }

func (h *history) pass(d time.Duration) {
	h.now = h.now.Add(d)
	h.apply()
}

// opened is what creating an object would open from tier=frontend to tier=db.
func (h *history) opened(o runtime.Object) []string {
	after := clustertest.Apply(h.t, h.snapshot, clustertest.Create(h.t, o)...)
	q := connectivity.Query{From: selectPods(h.t, "tier=frontend"), To: selectPods(h.t, "tier=db")}
	got := lines(connectivity.Opened(h.snapshot, after, q, connectivity.Options{Believed: true}))
	if diff := cmp.Diff(got, lines(connectivity.Opened(h.snapshot.WithMemory(h.relayed), after, q, connectivity.Options{Believed: true}))); diff != "" {
		h.t.Errorf("who copied the memory says something else (-original +copy):\n%s", diff)
	}
	return got
}

func TestMemory(t *testing.T) {
	web := clustertest.Deployment("shop/web", clustertest.Labels("tier=frontend"))
	primary := clustertest.Pod("shop/pg-0", clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("tier=db", "role=primary"))
	replica := clustertest.Pod("shop/pg-0", clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("tier=db", "role=replica"))
	other := clustertest.Pod("shop/pg-1", clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("tier=db", "role=replica"))
	promoted := clustertest.Pod("shop/pg-1", clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("tier=db", "role=primary"))
	deny := clustertest.Netpol("shop/deny", `{podSelector: {}, policyTypes: [Ingress]}`)
	hole := clustertest.Netpol("shop/hole", `{podSelector: {matchLabels: {role: primary}}, ingress: [{from: [{podSelector: {matchLabels: {tier: frontend}}}]}]}`)
	path := []string{"shop/Deployment/web -> shop/Postgres/pg all ports"}
	shop := func(more ...runtime.Object) []runtime.Object {
		return append([]runtime.Object{clustertest.Namespace("shop"), web, deny}, more...)
	}

	tests := map[string]struct {
		reason string
		story  func(t *testing.T) []string
		want   []string
	}{
		"TheOnlyPodOfAnOperatorIsDrained": {
			reason: "it was there a moment ago",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(hole, primary)...)
				h.delete(primary)
				return h.opened(primary)
			},
		},
		"WithoutTheMemory": {
			reason: "who is not remembered is new",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(hole)...)
				return h.opened(primary)
			},
			want: path,
		},
		"TheOldPrimaryIsDemotedFirst": {
			reason: "there was a primary of this workload",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(hole, primary, other)...)
				h.create(replica)
				return h.opened(promoted)
			},
		},
		"OfAnotherOwner": {
			reason: "a memory lends to its own workload only",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(hole, primary)...)
				h.delete(primary)
				return h.opened(clustertest.Pod("shop/my-0", clustertest.ControlledBy("Postgres/my"), clustertest.Labels("tier=db", "role=primary")))
			},
			want: []string{"shop/Deployment/web -> shop/Postgres/my all ports"},
		},
		"ANetpolOpenedMeanwhile": {
			reason: "nobody was asked about the path while nobody had the labels",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(primary)...)
				h.delete(primary)
				h.create(hole)
				return h.opened(primary)
			},
			want: path,
		},
		"ANetpolOpenedInTheSameMoment": {
			reason: "what came first is not known",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(primary)...)
				h.apply(append(clustertest.Delete(t, primary), clustertest.Create(t, hole)...)...)
				return h.opened(primary)
			},
			want: path,
		},
		"ANetpolThatIsOnlyPending": {
			reason: "a snapshot that is ahead of the memory is not what was seen",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(primary)...)
				h.delete(primary)
				h.snapshot = clustertest.Apply(t, h.snapshot, clustertest.Create(t, hole)...)
				return h.opened(primary)
			},
			want: path,
		},
		"ANetpolOfTheOtherEndOpenedMeanwhile": {
			reason: "both ends count",
			story: func(t *testing.T) []string {
				shut := clustertest.Netpol("front/shut", `{podSelector: {}, policyTypes: [Egress]}`)
				h := newHistory(t, shop(hole, primary, clustertest.Namespace("front"), clustertest.Deployment("front/app", clustertest.Labels("tier=frontend")), shut,
					clustertest.Netpol("shop/far", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`))...)
				h.delete(primary)
				h.delete(shut)
				return h.opened(primary)
			},
			want: []string{"front/Deployment/app -> shop/Postgres/pg all ports"},
		},
		"ANamespaceRelabelledMeanwhile": {
			reason: "its labels may open the path",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(primary, clustertest.Namespace("front"), clustertest.Deployment("front/app", clustertest.Labels("tier=frontend")),
					clustertest.Netpol("shop/far", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {env: trusted}}}]}]}`))...)
				h.delete(primary)
				h.create(clustertest.Namespace("front", "env=trusted"))
				return h.opened(primary)
			},
			want: []string{"front/Deployment/app -> shop/Postgres/pg all ports"},
		},
		"TheOtherEndCameMeanwhile": {
			reason: "the two were never there together",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(hole, primary)...)
				h.delete(primary)
				h.create(clustertest.Deployment("shop/late", clustertest.Labels("tier=frontend")))
				return h.opened(primary)
			},
			want: []string{"shop/Deployment/late -> shop/Postgres/pg all ports"},
		},
		"ABareOtherEndCameMeanwhile": {
			reason: "a pod that belongs to nobody is itself and nobody else, whatever its labels",
			story: func(t *testing.T) []string {
				old := clustertest.Pod("shop/old", clustertest.Labels("tier=frontend"))
				h := newHistory(t, shop(hole, primary, old)...)
				h.delete(primary)
				h.create(clustertest.Pod("shop/late", clustertest.Labels("tier=frontend")))
				return h.opened(primary)
			},
			want: []string{"shop/Pod/late -> shop/Postgres/pg all ports"},
		},
		"TheOtherEndRolledMeanwhile": {
			reason: "new pods of a class that was there are that class",
			story: func(t *testing.T) []string {
				rs := clustertest.ReplicaSet("shop/web-1", clustertest.ControlledBy("Deployment/web"), clustertest.Labels("tier=frontend", "pod-template-hash=1"))
				h := newHistory(t, shop(hole, primary)...)
				h.delete(primary)
				h.create(rs, clustertest.Pod("shop/web-1-a", clustertest.ControlledBy("ReplicaSet/web-1"), clustertest.Labels("tier=frontend", "pod-template-hash=1")))
				return h.opened(primary)
			},
		},
		"BothWereThereTogether": {
			reason: "a node with both is drained",
			story: func(t *testing.T) []string {
				app := clustertest.Pod("shop/app-0", clustertest.ControlledBy("App/app"), clustertest.Labels("tier=frontend"))
				h := newHistory(t, clustertest.Namespace("shop"), deny, hole, primary, app)
				h.delete(primary)
				h.delete(app)
				if got := h.opened(primary); got != nil {
					t.Errorf("nobody is there to reach it: %v", got)
				}
				h.create(primary)
				return h.opened(app)
			},
		},
		"BothWereThereButNeverTogether": {
			reason: "the one had gone when the other came",
			story: func(t *testing.T) []string {
				app := clustertest.Pod("shop/app-0", clustertest.ControlledBy("App/app"), clustertest.Labels("tier=frontend"))
				h := newHistory(t, clustertest.Namespace("shop"), deny, hole, primary)
				h.delete(primary)
				h.create(app)
				h.delete(app)
				h.create(primary)
				return h.opened(app)
			},
			want: []string{"shop/App/app -> shop/Postgres/pg all ports"},
		},
		"AfterAnHour": {
			reason: "that is too long ago",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(hole, primary)...)
				h.delete(primary)
				h.pass(time.Hour + time.Minute)
				return h.opened(primary)
			},
			want: path,
		},
		"InANewNamespaceOfTheName": {
			reason: "it is another namespace",
			story: func(t *testing.T) []string {
				first, second := clustertest.Namespace("shop"), clustertest.Namespace("shop")
				first.UID, second.UID = "u-1", "u-2"
				h := newHistory(t, first, web, deny, hole, primary)
				h.delete(primary)
				h.create(second)
				return h.opened(primary)
			},
			want: path,
		},
		"AStatefulSetIsMadeAgain": {
			reason: "its template was there",
			story: func(t *testing.T) []string {
				db := clustertest.StatefulSet("shop/db", clustertest.Labels("tier=db", "role=primary"))
				h := newHistory(t, shop(hole, db)...)
				h.delete(db)
				return h.opened(db)
			},
		},
		"TooManyToRemember": {
			reason: "the oldest go first",
			story: func(t *testing.T) []string {
				h := newHistory(t, shop(hole, primary)...)
				h.delete(primary)
				for i := range 10 {
					p := clustertest.Pod("shop/x", clustertest.ControlledBy("App/app"), clustertest.Labels("n="+string(rune('a'+i))))
					h.create(p)
					h.delete(p)
				}
				if n := h.memory.Len(); n != 10 {
					t.Errorf("%d are remembered, want 10", n)
				}
				return h.opened(primary)
			},
			want: path,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.story(t)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}
