package cluster_test

import (
	"testing"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

// TestACopySaysNothingMore: only a template that differs from its owner's in what the
// owner's controller adds is not looked at by itself. A label that another controller
// gives is a label like any other on it.
func TestACopySaysNothingMore(t *testing.T) {
	web := clustertest.Deployment("shop/web", clustertest.Labels("app=web"))
	nightly := clustertest.CronJob("shop/nightly", clustertest.Labels("app=web"))
	for name, tt := range map[string]struct {
		labels []string
		copy   bool
	}{
		"TheHash":              {[]string{"app=web", "pod-template-hash=1"}, true},
		"NoHash":               {[]string{"app=web"}, false},
		"AJobsName":            {[]string{"app=web", "pod-template-hash=1", "job-name=migrate"}, false},
		"AStatefulSetsPodName": {[]string{"app=web", "pod-template-hash=1", "statefulset.kubernetes.io/pod-name=db-0"}, false},
		"OneLabelMore":         {[]string{"app=web", "pod-template-hash=1", "access=db"}, false},
	} {
		s := clustertest.Snapshot(t, web, clustertest.ReplicaSet("shop/web-1", clustertest.ControlledBy("Deployment/web"), clustertest.Labels(tt.labels...), clustertest.Replicas(0)))
		w, ok := s.Workload(cluster.Ref{Namespace: "shop", Kind: "Deployment", Name: "web"})
		if !ok || (len(w.Variants) == 1) != tt.copy {
			t.Errorf("%s: a ReplicaSet with %v is a copy: want %v, got %d variants", name, tt.labels, tt.copy, len(w.Variants))
		}
	}
	for name, tt := range map[string]struct {
		labels []string
		copy   bool
	}{
		"TheJobsName": {[]string{"app=web", "job-name=nightly-1", "batch.kubernetes.io/job-name=nightly-1"}, true},
		"AHash":       {[]string{"app=web", "pod-template-hash=1"}, false},
	} {
		s := clustertest.Snapshot(t, nightly, clustertest.Job("shop/nightly-1", clustertest.ControlledBy("CronJob/nightly"), clustertest.Labels(tt.labels...)))
		w, ok := s.Workload(cluster.Ref{Namespace: "shop", Kind: "CronJob", Name: "nightly"})
		if !ok || (len(w.Variants) == 1) != tt.copy {
			t.Errorf("%s: a Job with %v is a copy: want %v, got %d variants", name, tt.labels, tt.copy, len(w.Variants))
		}
	}
}
