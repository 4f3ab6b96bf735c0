package cluster_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

func TestLeaving(t *testing.T) {
	gone := func(o metav1.Object, finalizers ...string) runtime.Object {
		at := metav1.Unix(1_800_000_000, 0)
		o.SetDeletionTimestamp(&at)
		o.SetFinalizers(finalizers)
		return o.(runtime.Object)
	}
	web := clustertest.Deployment("shop/web")
	rs := clustertest.ReplicaSet("shop/web-1", clustertest.ControlledBy("Deployment/web"))
	pod := clustertest.Pod("shop/web-1-a", clustertest.ControlledBy("ReplicaSet/web-1"))
	tests := map[string]struct {
		reason  string
		objects []runtime.Object
		want    []string
	}{
		"Nobody": {objects: []runtime.Object{web, rs, pod, clustertest.Pod("shop/alone")}},
		"APodThatTerminates": {
			objects: []runtime.Object{web, rs, clustertest.Pod("shop/web-1-a", clustertest.ControlledBy("ReplicaSet/web-1"), clustertest.Terminating()), clustertest.Pod("shop/alone", clustertest.Terminating())},
			want:    []string{"shop/Pod/alone", "shop/Pod/web-1-a"},
		},
		"Foreground": {
			reason:  "what the Deployment made is deleted before it",
			objects: []runtime.Object{gone(clustertest.Deployment("shop/web"), "foregroundDeletion"), rs, pod},
			want:    []string{"shop/Deployment/web", "shop/Pod/web-1-a", "shop/ReplicaSet/web-1"},
		},
		"Background": {
			reason:  "the Deployment is gone, and the garbage collector has not come by yet",
			objects: []runtime.Object{rs, pod},
			want:    []string{"shop/Pod/web-1-a", "shop/ReplicaSet/web-1"},
		},
		"Orphaned": {
			reason:  "--cascade=orphan: only the Deployment goes",
			objects: []runtime.Object{gone(clustertest.Deployment("shop/web"), "orphan"), rs, pod},
			want:    []string{"shop/Deployment/web"},
		},
		"AJobOfACronJobThatIsGone": {
			objects: []runtime.Object{clustertest.Job("shop/n-1", clustertest.ControlledBy("CronJob/n")), clustertest.Pod("shop/n-1-a", clustertest.ControlledBy("Job/n-1"))},
			want:    []string{"shop/Job/n-1", "shop/Pod/n-1-a"},
		},
		"OfAnOwnerThatNobodyKnows": {
			reason:  "a custom resource may be there",
			objects: []runtime.Object{clustertest.Pod("shop/pg-0", clustertest.ControlledBy("PgCluster/pg")), clustertest.Pod("shop/static", clustertest.ControlledBy("Node/n"))},
		},
		"OwnersInACircle": {
			objects: []runtime.Object{clustertest.ReplicaSet("shop/a", clustertest.ControlledBy("ReplicaSet/b")), clustertest.ReplicaSet("shop/b", clustertest.ControlledBy("ReplicaSet/a"))},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Snapshot(t, test.objects...)
			var got []string
			for _, o := range s.Leaving("shop") {
				got = append(got, o.Ref().String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
			if got := len(s.LeavingAnywhere()); got != len(test.want) {
				t.Errorf("%d leave anywhere, want %d", got, len(test.want))
			}
			rest, err := s.Without(s.Leaving("shop")...)
			if err != nil {
				t.Fatal(err)
			}
			for o := range rest.Objects() {
				for _, name := range test.want {
					if o.Ref().String() == name {
						t.Errorf("%s is still there", name)
					}
				}
			}
		})
	}
}
