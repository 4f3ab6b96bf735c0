package connectivity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

const pg, cron = "shop/StatefulSet/pg", "shop/CronJob/dump"

var (
	pgOfApp   = clustertest.StatefulSet("shop/pg", clustertest.Labels("app=pg"))
	cronOfApp = clustertest.CronJob("shop/dump", clustertest.Labels("app=dump"))
	shopAPI   = clustertest.Deployment("shop/api", clustertest.Labels("app=api"))
)

const api = "shop/Deployment/api"

// Labels that controllers give are in no template.
var generatedStories = map[string]story{
	"ANetpolThatNamesAPodOfAStatefulSet": {
		reason: "pg-0 may be there any time, and the others are isolated all the same",
		add: only(pgOfApp, netpol("shop/deny", `{podSelector: {matchLabels: {app: pg}}}`),
			netpol("shop/n", `{podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: pg-0}}, ingress: [{ports: [{port: 80}]}]}`)),
		asks: []ask{{web, pg, "TCP 80", "open"}, {web, pg, "TCP 81", "blocked"}},
	},
	"AnotherStatefulSetsPod": {
		reason: "no pod of pg has that name",
		add: only(pgOfApp, netpol("shop/deny", `{podSelector: {matchLabels: {app: pg}}}`),
			netpol("shop/n", `{podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: pg-a-0}}, ingress: [{}]}`)),
		asks: []ask{{web, pg, "TCP 80", "blocked"}},
	},
	"BeforeTheFirstOrdinal": {
		reason: "spec.ordinals.start says where it begins to count",
		add: only(clustertest.StatefulSet("shop/pg", clustertest.Labels("app=pg"), clustertest.FirstOrdinal(1)), netpol("shop/deny", `{podSelector: {matchLabels: {app: pg}}}`),
			netpol("shop/n", `{podSelector: {matchLabels: {apps.kubernetes.io/pod-index: "0"}}, ingress: [{}]}`)),
		asks: []ask{{web, pg, "TCP 80", "blocked"}},
	},
	"TwoNetpolsIsolateAllOrdinalsTogether": {
		reason: "pg-0 is isolated by the one, the others by the other",
		add: only(pgOfApp, netpol("shop/n", `{podSelector: {matchLabels: {apps.kubernetes.io/pod-index: "0"}}}`),
			netpol("shop/o", `{podSelector: {matchExpressions: [{key: apps.kubernetes.io/pod-index, operator: NotIn, values: ["0"]}]}}`)),
		asks: []ask{{web, pg, "TCP 80", "blocked"}},
	},
	"MoreOrdinalsThanAreLookedAtOneByOne": {
		reason: "then they are in doubt together",
		add: only(pgOfApp, netpol("shop/deny", `{podSelector: {matchLabels: {app: pg}}}`),
			netpol("shop/n", `{podSelector: {matchExpressions: [{key: apps.kubernetes.io/pod-index, operator: In, values: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"]}]}, ingress: [{}]}`)),
		asks: []ask{{web, pg, "TCP 80", "unknown generated-label"}},
	},
	"ByTheNameOfAJob": {
		reason: "a Job's pods carry its name; those of a CronJob's Jobs a name that is not known yet",
		add: only(cronOfApp, clustertest.Job("shop/migrate", clustertest.Labels("app=tool")),
			netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {job-name: migrate}}}]}]}`)),
		asks: []ask{{"shop/Job/migrate", db, "TCP 80", "open"}, {cron, db, "TCP 80", "unknown generated-label"}, {web, db, "TCP 80", "blocked"}},
	},
	"AllButTheJobs": {
		reason: "that they have the label is known, and that no other pod does",
		add: only(cronOfApp, shopAPI,
			netpol("shop/n", `{podSelector: {matchExpressions: [{key: batch.kubernetes.io/job-name, operator: DoesNotExist}]}, policyTypes: [Egress]}`)),
		asks: []ask{{cron, "ops/Pod/probe", "TCP 80", "open"}, {api, "ops/Pod/probe", "TCP 80", "blocked"}},
	},
	"ARevisionByItsHash": {
		reason: "the Deployment's next pods may have it or not",
		add: only(shopAPI, netpol("shop/n", `{podSelector: {matchLabels: {app: api, pod-template-hash: x}}}`),
			netpol("shop/o", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: pod-template-hash, operator: NotIn, values: [x]}]}}]}]}`)),
		asks: []ask{{web, api, "TCP 80", "unknown generated-label"}, {api, db, "TCP 80", "unknown generated-label"}, {web, db, "TCP 80", "open"}},
	},
	"WhoeverHasAHash": {
		reason: "the Deployment's pods have one, whatever it will be",
		add:    only(shopAPI, netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: pod-template-hash, operator: Exists}]}}]}]}`)),
		asks:   []ask{{api, db, "TCP 80", "open"}, {web, db, "TCP 80", "blocked"}},
	},
	"TheZoneOfANode": {
		reason: "a pod without a node may come into the zone; one with a node has what it has",
		add: only(shopAPI, clustertest.Pod("shop/here", clustertest.Bound(), clustertest.Labels("topology.kubernetes.io/zone=a")), clustertest.Pod("shop/there", clustertest.Bound()),
			netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {topology.kubernetes.io/zone: a}}}]}]}`)),
		asks: []ask{
			{api, db, "TCP 80", "unknown generated-label"},
			{"shop/Pod/web", db, "TCP 80", "unknown generated-label"},
			{"shop/Pod/here", db, "TCP 80", "open"},
			{"shop/Pod/there", db, "TCP 80", "blocked"},
		},
	},
	"AControllerThatTheModelDoesNotKnow": {
		reason: "what it adds is not known, and its pods are taken for what they show",
		add: only(clustertest.Pod("shop/r-1", clustertest.ControlledBy("Rollout/r"), clustertest.Labels("app=r")),
			netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: pod-template-hash, operator: Exists}]}}]}]}`)),
		asks: []ask{{"shop/Rollout/r", db, "TCP 80", "blocked"}},
	},
	"ADoubtThatDoesNotMatter": {
		reason: "the other rule lets everybody in",
		add:    only(shopAPI, netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {pod-template-hash: x}}}]}, {}]}`)),
		asks:   []ask{{api, db, "TCP 80", "open"}},
	},
}

// A query that asks for one of these labels is about the pods that have it, and
// not about all that the template stands for.
func TestAQueryForSomeOrdinals(t *testing.T) {
	const rules = `{podSelector: {matchLabels: {app: pg}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]}`
	const toSecond = `{podSelector: {matchLabels: {apps.kubernetes.io/pod-index: "1"}}, ingress: [{}]}`
	bare := clustertest.Snapshot(t, clustertest.Namespace("shop"), shopAPI, clustertest.Pod("shop/web", clustertest.Labels("app=web")))
	s := clustertest.Apply(t, bare, clustertest.Create(t, runtime.Object(pgOfApp), netpol("shop/pg", rules), netpol("shop/second", toSecond))...)
	o := connectivity.Options{}
	for _, tt := range []struct {
		from, to string
		open     int // connections
		blocked  int // closures
	}{
		{"app=web", "apps.kubernetes.io/pod-index=0", 0, 1},
		{"app=web", "apps.kubernetes.io/pod-index=1", 1, 0},
		{"app=web", "statefulset.kubernetes.io/pod-name=pg-1", 1, 0},
		{"app=web", "app=pg", 1, 1},
		{"app=web", "apps.kubernetes.io/pod-index=x", 0, 0},
		{"app=api", "apps.kubernetes.io/pod-index=7", 1, 0},
	} {
		q := connectivity.Query{From: selectPods(t, tt.from), To: selectPods(t, tt.to)}
		if got := connectivity.Open(s, q, o); len(got) != tt.open {
			t.Errorf("open from %s to %s: %v, want %d", tt.from, tt.to, lines(got), tt.open)
		}
		if got := connectivity.Opened(bare, s, q, o); len(got) != tt.open {
			t.Errorf("opened from %s to %s: %v, want %d", tt.from, tt.to, lines(got), tt.open)
		}
		if got := connectivity.Blocked(s, q, o); len(got) != tt.blocked {
			t.Errorf("blocked from %s to %s: %d, want %d", tt.from, tt.to, len(got), tt.blocked)
		}
	}
}

func TestIsolationByGeneratedLabels(t *testing.T) {
	for name, tt := range map[string]struct {
		object  runtime.Object
		netpols []string
		want    selector.Match
		unknown connectivity.Uncertainty
	}{
		"OneOrdinal":        {pgOfApp, []string{`{podSelector: {matchLabels: {apps.kubernetes.io/pod-index: "0"}}}`}, selector.No, ""},
		"EveryOrdinal":      {pgOfApp, []string{`{podSelector: {matchExpressions: [{key: apps.kubernetes.io/pod-index, operator: Exists}]}}`}, selector.Yes, ""},
		"OneAndTheOthers":   {pgOfApp, []string{`{podSelector: {matchLabels: {apps.kubernetes.io/pod-index: "0"}}}`, `{podSelector: {matchExpressions: [{key: apps.kubernetes.io/pod-index, operator: NotIn, values: ["0"]}]}}`}, selector.Yes, ""},
		"AHash":             {shopAPI, []string{`{podSelector: {matchLabels: {pod-template-hash: x}}}`}, selector.Maybe, connectivity.GeneratedLabel},
		"AHashAndADeny":     {shopAPI, []string{`{podSelector: {matchLabels: {pod-template-hash: x}}}`, `{podSelector: {}}`}, selector.Yes, ""},
		"ABrokenOneBesides": {shopAPI, []string{`{podSelector: {matchExpressions: [{key: app, operator: Like}]}}`}, selector.Maybe, connectivity.UnparsableSelector},
	} {
		t.Run(name, func(t *testing.T) {
			before := clustertest.Snapshot(t, clustertest.Namespace("shop"))
			for i, spec := range tt.netpols {
				before = clustertest.Apply(t, before, clustertest.Create(t, netpol("shop/n"+string(rune('0'+i)), spec))...)
			}
			after := clustertest.Apply(t, before, clustertest.Create(t, tt.object)...)
			for _, i := range connectivity.Isolated(after, connectivity.Everyone()) {
				if got := i.Isolated[cluster.Ingress]; got != tt.want || i.Unknown[cluster.Ingress] != tt.unknown {
					t.Errorf("isolated: got %v %s, want %v %s", got, i.Unknown[cluster.Ingress], tt.want, tt.unknown)
				}
			}
			exposed := connectivity.Exposed(before, after, connectivity.Everyone(), connectivity.Options{}, cluster.Ingress)
			if perhapsOrNot := tt.want != selector.Yes; (len(exposed) == 1) != perhapsOrNot {
				t.Fatalf("exposed: got %d, and isolated is %v", len(exposed), tt.want)
			}
			for _, x := range exposed {
				if diff := cmp.Diff([]string{"shop/NetworkPolicy/n0"}, refs(x.Partly)); diff != "" || x.Unknown != tt.unknown {
					t.Errorf("by whom in part (-want +got):\n%s%s", diff, x.Unknown)
				}
			}
		})
	}
}

func refs(list []cluster.Ref) []string {
	var out []string
	for _, r := range list {
		out = append(out, r.String())
	}
	return out
}

// A pod relabelled away from its StatefulSet is still the one that it was.
func TestAStrayPodIsChosenByItsOrdinal(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Namespace("shop"), pgOfApp, shopAPI, clustertest.Pod("shop/pg-1", clustertest.ControlledBy("StatefulSet/pg"), clustertest.Labels("app=other")))
	for label, want := range map[string]int{"apps.kubernetes.io/pod-index=1": 2, "apps.kubernetes.io/pod-index=0": 1} {
		got := connectivity.Open(s, connectivity.Query{From: selectPods(t, "app=api"), To: selectPods(t, label)}, connectivity.Options{})
		if len(got) != want {
			t.Errorf("to the pods with %s: %v, want %d", label, lines(got), want)
		}
	}
}

// What the two sides of a query tell apart inside one workload is listed.
func TestOrdinalsOfOneWorkload(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Namespace("shop"), pgOfApp)
	for _, tt := range []struct {
		from, to string
		want     int
	}{
		{"apps.kubernetes.io/pod-index=0", "apps.kubernetes.io/pod-index=1", 1},
		{"apps.kubernetes.io/pod-index=0", "apps.kubernetes.io/pod-index=0", 0},
		{"apps.kubernetes.io/pod-index=0", "app=pg", 1}, // pg-0 is on both sides, and the others on one
		{"app=pg", "app=pg", 0},
	} {
		q := connectivity.Query{From: selectPods(t, tt.from), To: selectPods(t, tt.to)}
		for _, got := range [][]connectivity.Connection{
			connectivity.Open(s, q, connectivity.Options{}),
			connectivity.Opened(clustertest.Snapshot(t, clustertest.Namespace("shop")), s, q, connectivity.Options{}),
		} {
			if len(got) != tt.want {
				t.Errorf("%s to %s: got %v, want %d", tt.from, tt.to, lines(got), tt.want)
			}
		}
	}
}
