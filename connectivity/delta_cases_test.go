package connectivity_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

// deltaCase is one change of a cluster that is full of old holes, and what it
// opens. A case without want must pass.
type deltaCase struct {
	had   []runtime.Object // besides the old holes; replaces what has the same name
	lacks []runtime.Object // of the old holes, what is not there
	set   []runtime.Object // what the change creates or updates
	del   []runtime.Object // what it deletes
	// operator: the change is made by one who may act for the owners that the model does not hold.
	operator bool
	// gone were there a moment ago; only what is named so differs from the cluster.
	gone []runtime.Object
	ask  *question // noFrontendToDB if nil
	want []string
}

const hole = "tier=frontend access=db" // these labels reach the db, and never must

var (
	noFrontendToDB = question{from: podsWith("tier=frontend"), to: podsWith("app=db"), probes: []probe{{corev1.ProtocolTCP, 5432}, {corev1.ProtocolTCP, 80}}}
	reachesDB      = " -> shop/StatefulSet/db TCP 5432"
	pgCluster      = ofCustom("PgCluster/pg")
	rollout        = ofCustom("Rollout/roll")
)

func podsWith(labels string) refSelection {
	return refSelection{pods: metav1.LabelSelector{MatchLabels: labelSet(labels)}}
}

// oldHoles: db lets in access=db on its port. From before the guardrail, a
// frontend of every kind reaches it.
func oldHoles() []runtime.Object {
	return []runtime.Object{
		clustertest.Namespace("shop"), clustertest.Namespace("ops", "team=ops"),
		maker("StatefulSet", "shop/db", "app=db"), podOf("shop/db-0", "app=db", of("StatefulSet/db")),
		clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {access: db}}}], ports: [{port: 5432}]}]}`),
		maker("Deployment", "shop/web", "app=web "+hole),
		maker("ReplicaSet", "shop/web-1", "app=web hash=1 "+hole, of("Deployment/web")),
		podOf("shop/web-1-a", "app=web hash=1 "+hole, of("ReplicaSet/web-1")),
		maker("StatefulSet", "shop/sts", "app=sts "+hole), podOf("shop/sts-0", "app=sts "+hole, of("StatefulSet/sts")),
		maker("DaemonSet", "shop/ds", "app=ds "+hole), podOf("shop/ds-0", "app=ds "+hole, of("DaemonSet/ds")),
		maker("ReplicationController", "shop/rc", "app=rc "+hole), podOf("shop/rc-0", "app=rc "+hole, of("ReplicationController/rc")),
		maker("CronJob", "shop/cron", "app=cron "+hole), maker("CronJob", "shop/bare", ""),
		maker("Job", "shop/cron-1", "job=1 app=cron "+hole, of("CronJob/cron")), podOf("shop/cron-1-a", "job=1 app=cron "+hole, of("Job/cron-1")),
		maker("Job", "shop/job", "job=job "+hole),
		podOf("shop/pg-1", "app=pg "+hole, pgCluster),
		maker("ReplicaSet", "shop/roll-1", "app=roll hash=1 "+hole, rollout), podOf("shop/roll-1-a", "app=roll hash=1 "+hole, of("ReplicaSet/roll-1")),
		// None of these reaches anything that it must not.
		maker("Deployment", "shop/front", "app=front tier=frontend"),
		maker("ReplicaSet", "shop/front-1", "app=front hash=1 tier=frontend", of("Deployment/front")),
		podOf("shop/front-1-a", "app=front hash=1 tier=frontend", of("ReplicaSet/front-1")),
		podOf("shop/front-1-b", "app=front hash=1 tier=frontend", of("ReplicaSet/front-1")),
		maker("Deployment", "shop/back", "app=back access=db"),
		maker("ReplicaSet", "shop/back-1", "app=back hash=1 access=db", of("Deployment/back")),
		podOf("shop/back-1-a", "app=back hash=1 access=db", of("ReplicaSet/back-1")),
		podOf("shop/redis-1", "app=redis tier=frontend", ofCustom("Redis/redis")),
	}
}

func objectsOf(o ...runtime.Object) []runtime.Object { return o }

func TestWhatAChangeOpens(t *testing.T) {
	for group, cases := range map[string]map[string]deltaCase{
		"Pass": mustPass, "PassByMemory": passByMemory, "Forged": forged, "Relabelled": relabelled, "Templates": templates,
	} {
		for name, tt := range cases {
			t.Run(group+"/"+name, func(t *testing.T) {
				before := with(oldHoles(), tt.had, tt.lacks...)
				after := with(before, tt.set, tt.del...)
				q := noFrontendToDB
				if tt.ask != nil {
					q = *tt.ask
				}
				d := newReadDelta(before, after, q)
				d.believed = tt.operator
				then := with(before, tt.gone)
				d.past = []*moment{readMoment(then), d.before}
				t.Run("Reading", func(t *testing.T) {
					if diff := cmp.Diff(inOrder(tt.want), sentences(d.violations())); diff != "" {
						t.Errorf("opened (-want +got):\n%s", diff)
					}
				})
				t.Run("Engine", func(t *testing.T) {
					got := engineViolations(t, [][]runtime.Object{then, before, after}, q, tt.operator)
					if diff := cmp.Diff(inOrder(tt.want), sentences(got)); diff != "" {
						t.Errorf("opened (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// with is a list of objects after some were set and some deleted.
func with(objects, set []runtime.Object, deleted ...runtime.Object) []runtime.Object {
	out := slices.Clone(objects)
	for _, o := range set {
		if i := indexOf(out, o); i >= 0 {
			out[i] = o
		} else {
			out = append(out, o)
		}
	}
	for _, o := range deleted {
		i := indexOf(out, o)
		out = slices.Delete(out, i, i+1)
	}
	return out
}

func indexOf(objects []runtime.Object, o runtime.Object) int {
	return slices.IndexFunc(objects, func(other runtime.Object) bool { return sameObject(o, other) })
}

func inOrder(s []string) []string { return slices.Sorted(slices.Values(s)) }
