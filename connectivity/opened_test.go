package connectivity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// The cluster of the stories of change: db lets in app=api of its namespace, and
// everybody of a namespace with env=trusted; web is shut out.
func shop() []runtime.Object {
	return []runtime.Object{
		clustertest.Namespace("shop"),
		clustertest.Namespace("ops"),
		clustertest.Deployment("shop/web", clustertest.Labels("app=web", "tier=frontend")),
		clustertest.ReplicaSet("shop/web-1", clustertest.ControlledBy("Deployment/web"), clustertest.Labels("app=web", "tier=frontend", "pod-template-hash=1")),
		clustertest.Pod("shop/web-1-a", clustertest.ControlledBy("ReplicaSet/web-1"), clustertest.Labels("app=web", "tier=frontend", "pod-template-hash=1")),
		clustertest.StatefulSet("shop/db", clustertest.Labels("tier=db")),
		clustertest.Pod("ops/probe", clustertest.Labels("tier=frontend")),
		dbNetpol,
	}
}

var dbNetpol = clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {tier: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}, {namespaceSelector: {matchLabels: {env: trusted}}}], ports: [{port: 5432}]}]}`)

func TestOpened(t *testing.T) {
	const toDB = " -> shop/StatefulSet/db TCP 5432"
	tests := map[string]struct {
		reason  string
		had     []runtime.Object // besides shop()
		created []runtime.Object
		deleted []runtime.Object
		want    []string // from tier=frontend to tier=db
	}{
		"DeletingTheOnlyIsolation": {
			reason:  "what nobody isolates is open",
			deleted: []runtime.Object{dbNetpol},
			want:    []string{"ops/Pod/probe -> shop/StatefulSet/db all ports", "shop/Deployment/web -> shop/StatefulSet/db all ports"},
		},
		"DeletingOneOfTwoIsolations": {
			reason:  "the other one still isolates, and lets nobody else in",
			had:     []runtime.Object{clustertest.Netpol("shop/deny", `{podSelector: {}}`)},
			deleted: []runtime.Object{dbNetpol},
		},
		"ANetpolThatOpens": {
			reason:  "a second netpol adds to the first",
			created: []runtime.Object{clustertest.Netpol("shop/allow", `{podSelector: {matchLabels: {tier: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}]}]}`)},
			want:    []string{"shop/Deployment/web -> shop/StatefulSet/db TCP 80"},
		},
		"RelabellingTheNamespace": {
			reason:  "namespaceSelectors look at the Namespace object",
			created: []runtime.Object{clustertest.Namespace("ops", "env=trusted")},
			want:    []string{"ops/Pod/probe" + toDB},
		},
		"RelabellingAPodAwayFromItsDeployment": {
			reason:  "it stands alone and can reach what its siblings cannot; without its old label it is still a frontend",
			created: []runtime.Object{clustertest.Pod("shop/web-1-a", clustertest.ControlledBy("ReplicaSet/web-1"), clustertest.Labels("app=api"))},
			want:    []string{"shop/Pod/web-1-a" + toDB},
		},
		"RelabellingTheTemplate": {
			reason:  "a new label on the template is a new path of the Deployment, and the pods that are there keep theirs",
			created: []runtime.Object{clustertest.Deployment("shop/web", clustertest.Labels("app=api", "tier=frontend"))},
			want:    []string{"shop/Deployment/web" + toDB},
		},
		"RelabellingOutOfTheQuestion": {
			reason:  "relabelling a frontend does not make it somebody else",
			created: []runtime.Object{clustertest.Deployment("shop/web", clustertest.Labels("app=api"))},
			want:    []string{"shop/Deployment/web" + toDB},
		},
		"ABarePod": {
			reason:  "a new workload's paths are all new",
			created: []runtime.Object{clustertest.Pod("shop/sneak", clustertest.Labels("app=api", "tier=frontend"))},
			want:    []string{"shop/Pod/sneak" + toDB},
		},
		"APodOfACustomResource": {
			reason:  "also when its controller is of a kind that the model does not hold",
			created: []runtime.Object{clustertest.Pod("shop/sneak-0", clustertest.ControlledBy("Sneak/sneak"), clustertest.Labels("app=api", "tier=frontend"))},
			want:    []string{"shop/Sneak/sneak" + toDB},
		},
		"AForgedController": {
			reason:  "a frontend that claims to be of the database's controller stands alone without its labels; having left the database it is still a database",
			created: []runtime.Object{clustertest.Pod("shop/db-9", clustertest.ControlledBy("StatefulSet/db"), clustertest.Labels("app=api", "tier=frontend"))},
			want: []string{
				"ops/Pod/probe -> shop/Pod/db-9 all ports", "shop/Deployment/web -> shop/Pod/db-9 all ports",
				"shop/Pod/db-9" + toDB,
			},
		},
		"AForgedCustomController": {
			reason: "below a custom resource the query tells the database's pods and the frontend apart",
			had: []runtime.Object{
				clustertest.Pod("shop/pg-0", clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("tier=db", "name=pg")),
				clustertest.Netpol("shop/pg", `{podSelector: {matchLabels: {name: pg}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 5432}]}]}`),
			},
			created: []runtime.Object{clustertest.Pod("shop/pg-1", clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("app=api", "tier=frontend"))},
			want:    []string{"shop/Postgres/pg -> shop/Postgres/pg TCP 5432", "shop/Postgres/pg" + toDB},
		},
		"AForgedDeploymentOfADeployment": {
			reason:  "no controller makes a Deployment of a Deployment",
			created: []runtime.Object{clustertest.Deployment("shop/sneak", clustertest.ControlledBy("StatefulSet/db"), clustertest.Labels("app=api", "tier=frontend"))},
			want:    []string{"shop/Deployment/sneak" + toDB},
		},
		"AStaticPod": {
			reason:  "a pod of a Node is a workload of its own",
			created: []runtime.Object{clustertest.Pod("shop/static-node1", clustertest.ControlledBy("Node/node1"), clustertest.Labels("app=api", "tier=frontend"))},
			want:    []string{"shop/Pod/static-node1" + toDB},
		},
		"ScaleUpOverAnOldHole": {
			reason:  "a replacement pod opens nothing that its siblings had",
			had:     []runtime.Object{clustertest.Netpol("shop/hole", `{podSelector: {}, ingress: [{}]}`)},
			created: []runtime.Object{clustertest.Pod("shop/web-1-b", clustertest.ControlledBy("ReplicaSet/web-1"), clustertest.Labels("app=web", "tier=frontend", "pod-template-hash=1"))},
		},
		"RolloutOverAnOldHole": {
			reason: "a new revision is the same workload",
			had: []runtime.Object{
				clustertest.Netpol("shop/hole", `{podSelector: {}, ingress: [{}]}`),
				clustertest.ReplicaSet("shop/web-2", clustertest.ControlledBy("Deployment/web"), clustertest.Labels("app=web", "tier=frontend", "pod-template-hash=2")),
			},
			created: []runtime.Object{
				clustertest.Pod("shop/web-2-a", clustertest.ControlledBy("ReplicaSet/web-2"), clustertest.Labels("app=web", "tier=frontend", "pod-template-hash=2")),
			},
		},
		"APodBeforeItsReplicaSet": {
			reason: "a claim on what is not there gives nothing",
			had:    []runtime.Object{clustertest.Netpol("shop/hole", `{podSelector: {}, ingress: [{}]}`)},
			created: []runtime.Object{
				clustertest.Pod("shop/web-2-a", clustertest.ControlledBy("ReplicaSet/web-2"), clustertest.Labels("app=web", "tier=frontend", "pod-template-hash=2")),
			},
			want: []string{"shop/Deployment/web -> shop/StatefulSet/db all ports"},
		},
		"RolloutOfNewLabelsOverAnOldHole": {
			reason:  "the old revision is left behind by its Deployment's new labels; it was the Deployment",
			had:     []runtime.Object{clustertest.Netpol("shop/hole", `{podSelector: {}, ingress: [{}]}`)},
			created: []runtime.Object{clustertest.Deployment("shop/web", clustertest.Labels("app=web", "tier=frontend", "version=2"))},
		},
		"RolloutOfNewLabelsBeforeTheFirstPod": {
			reason:  "also when the old revision has no pod by which to know it",
			had:     []runtime.Object{clustertest.Netpol("shop/hole", `{podSelector: {}, ingress: [{}]}`), clustertest.ReplicaSet("shop/web-0", clustertest.ControlledBy("Deployment/web"), clustertest.Labels("app=web", "tier=frontend"))},
			created: []runtime.Object{clustertest.Deployment("shop/web", clustertest.Labels("app=web", "tier=frontend", "version=2"))},
			deleted: []runtime.Object{clustertest.Pod("shop/web-1-a")},
		},
		"DrainOverAnOldHole": {
			reason:  "a pod that goes opens nothing",
			had:     []runtime.Object{clustertest.Netpol("shop/hole", `{podSelector: {}, ingress: [{}]}`)},
			deleted: []runtime.Object{clustertest.Pod("shop/web-1-a")},
		},
		"UnrelatedEditOverAnOldHole": {
			reason:  "what is open already is the audit's finding",
			had:     []runtime.Object{clustertest.Netpol("shop/hole", `{podSelector: {}, ingress: [{}]}`)},
			created: []runtime.Object{clustertest.Netpol("shop/hole", `{podSelector: {}, ingress: [{}, {}]}`)},
		},
		"AnEditThatShrinks": {
			reason:  "fewer ports, nothing opened",
			had:     []runtime.Object{clustertest.Netpol("shop/hole", `{podSelector: {}, ingress: [{}]}`)},
			created: []runtime.Object{clustertest.Netpol("shop/hole", `{podSelector: {}, ingress: [{ports: [{port: 5432}]}]}`)},
		},
		"APodOnTheHostNetwork": {
			reason:  "unknown counts: it was blocked and is no longer proved so",
			created: []runtime.Object{clustertest.DaemonSet("ops/agent", clustertest.HostNetwork(), clustertest.Labels("tier=frontend"))},
			want:    []string{"ops/DaemonSet/agent -> shop/StatefulSet/db all ports (node-exception)"},
		},
		"TheNamespaceGoes": {
			reason:  "its netpols and pods go one by one; nothing of it remains to be reached",
			deleted: []runtime.Object{clustertest.StatefulSet("shop/db"), dbNetpol, clustertest.Namespace("shop")},
		},
	}
	q := connectivity.Query{From: selectPods(t, "tier=frontend"), To: selectPods(t, "tier=db")}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := clustertest.Snapshot(t, append(shop(), tt.had...)...)
			after := clustertest.Apply(t, before, append(clustertest.Create(t, tt.created...), clustertest.Delete(t, tt.deleted...)...)...)
			if diff := cmp.Diff(tt.want, lines(connectivity.Opened(before, after, q, connectivity.Options{}))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

func TestRelabellingANamespaceOutOfTheQuestion(t *testing.T) {
	dmz, err := selector.New(metav1.LabelSelector{MatchLabels: clustertest.Set("env=dmz")})
	if err != nil {
		t.Fatal(err)
	}
	before := clustertest.Snapshot(t, append(shop(),
		clustertest.Namespace("edge", "env=dmz"),
		clustertest.Pod("edge/proxy"),
		clustertest.ReplicaSet("edge/gate-1", clustertest.ControlledBy("Rollout/gate")))...)
	after := clustertest.Apply(t, before, clustertest.Create(t, clustertest.Namespace("edge", "env=trusted"))...)
	q := connectivity.Query{From: connectivity.Selection{Namespaces: dmz, Pods: selector.Everything()}, To: selectPods(t, "tier=db")}
	want := []string{"edge/Pod/proxy -> shop/StatefulSet/db TCP 5432", "edge/Rollout/gate -> shop/StatefulSet/db TCP 5432"}
	if diff := cmp.Diff(want, lines(connectivity.Opened(before, after, q, connectivity.Options{}))); diff != "" {
		t.Errorf("the namespace was of the dmz, and its pods still are (-want +got):\n%s", diff)
	}
}

// lines prints connections as "from -> to ports (unknown)".
func lines(connections []connectivity.Connection) []string {
	var out []string
	for _, c := range connections {
		line := c.From.String() + " -> " + c.To.String() + " " + c.Ports.String()
		if c.Unknown != "" {
			line += " (" + string(c.Unknown) + ")"
		}
		out = append(out, line)
	}
	return out
}

func selectPods(t clustertest.TB, labels ...string) connectivity.Selection {
	t.Helper()
	s, err := selector.New(metav1.LabelSelector{MatchLabels: clustertest.Set(labels...)})
	if err != nil {
		t.Fatalf("selector of the test: %v", err)
	}
	return connectivity.Selection{Namespaces: selector.Everything(), Pods: s}
}

func TestBecauseMarksWhatIsNew(t *testing.T) {
	before := clustertest.Snapshot(t, append(shop(), clustertest.Netpol("shop/web", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{}]}`))...)
	after := clustertest.Apply(t, before, clustertest.Create(t,
		clustertest.Netpol("shop/allow", `{podSelector: {matchLabels: {tier: db}}, ingress: [{ports: [{port: 1}]}, {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}]}]}`))...)
	q := connectivity.Query{From: selectPods(t, "app=web"), To: selectPods(t, "tier=db"), Ports: connectivity.Ports(connectivity.PortRange{Protocol: cluster.TCP, First: 80, Last: 80})}
	got := connectivity.Opened(before, after, q, connectivity.Options{})
	if len(got) != 1 {
		t.Fatalf("want one connection, got %v", lines(got))
	}
	tcp80 := q.Ports
	want := []connectivity.Because{
		{Reason: connectivity.Reason{Direction: cluster.Egress, Netpol: cluster.Ref{Namespace: "shop", Kind: "NetworkPolicy", Name: "web"}}, Ports: tcp80},
		{Reason: connectivity.Reason{Direction: cluster.Ingress, Netpol: cluster.Ref{Namespace: "shop", Kind: "NetworkPolicy", Name: "allow"}, Rule: 1}, Ports: tcp80, New: true},
	}
	if diff := cmp.Diff(want, got[0].Because); diff != "" {
		t.Errorf("the egress rule was there before, the ingress rule is new (-want +got):\n%s", diff)
	}
}

func TestExposed(t *testing.T) {
	tests := map[string]struct {
		reason  string
		had     []runtime.Object
		created []runtime.Object
		deleted []runtime.Object
		want    []string
	}{
		"DeletingTheOnlyIsolation": {
			reason:  "who isolated it before is named",
			deleted: []runtime.Object{dbNetpol},
			want:    []string{"shop/StatefulSet/db ingress by shop/NetworkPolicy/db"},
		},
		"ANewWorkload": {
			reason:  "nothing isolates it",
			created: []runtime.Object{clustertest.Pod("shop/new")},
			want:    []string{"shop/Pod/new ingress new"},
		},
		"ANewWorkloadUnderADefaultDeny": {
			reason:  "the default-deny isolates it",
			had:     []runtime.Object{clustertest.Netpol("shop/deny", `{podSelector: {}}`)},
			created: []runtime.Object{clustertest.Pod("shop/new")},
		},
		"ANewWorkloadOnTheHostNetwork": {
			reason:  "no netpol isolates it there",
			had:     []runtime.Object{clustertest.Netpol("shop/deny", `{podSelector: {}}`)},
			created: []runtime.Object{clustertest.Pod("shop/new", clustertest.HostNetwork())},
			want:    []string{"shop/Pod/new ingress new host network"},
		},
		"AnotherReplica": {
			reason:  "its siblings were not isolated before either",
			created: []runtime.Object{clustertest.Pod("shop/web-1-b", clustertest.ControlledBy("ReplicaSet/web-1"), clustertest.Labels("app=web", "tier=frontend", "pod-template-hash=1"))},
		},
		"RelabelledOutOfTheIsolation": {
			reason:  "the netpol is the same, the pods are not selected any more",
			created: []runtime.Object{clustertest.StatefulSet("shop/db", clustertest.Labels("tier=database"))},
			want:    []string{"shop/StatefulSet/db ingress by shop/NetworkPolicy/db"},
		},
		"AnIsolationThatIsNotSure": {
			reason:  "a selector that does not parse isolates perhaps",
			created: []runtime.Object{clustertest.Netpol("shop/db", `{podSelector: {matchExpressions: [{key: tier, operator: Like}]}}`)},
			want:    []string{"shop/StatefulSet/db ingress by shop/NetworkPolicy/db"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := clustertest.Snapshot(t, append(shop(), tt.had...)...)
			after := clustertest.Apply(t, before, append(clustertest.Create(t, tt.created...), clustertest.Delete(t, tt.deleted...)...)...)
			var got []string
			for _, x := range connectivity.Exposed(before, after, connectivity.Everyone(), connectivity.Options{}, cluster.Ingress) {
				line := x.Workload.String() + " " + x.Direction.String()
				for _, by := range x.By {
					line += " by " + by.String()
				}
				if x.New {
					line += " new"
				}
				if x.HostNetwork {
					line += " host network"
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}
