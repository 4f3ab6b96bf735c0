package cluster_test

import (
	"fmt"
	"maps"
	"strconv"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
)

func selectorOf(t clustertest.TB, all ...metav1.LabelSelectorRequirement) selector.Selector {
	t.Helper()
	s, err := selector.New(metav1.LabelSelector{MatchExpressions: all})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

func in(key string, values ...string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: "In", Values: values}
}

func notIn(key string, values ...string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: "NotIn", Values: values}
}

func exists(key string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: "Exists"}
}

func lacks(key string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: "DoesNotExist"}
}

func TestSelectorsOfGeneratedLabels(t *testing.T) {
	const (
		podName, podIndex = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
		jobName, jobIndex = "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-completion-index"
		zone              = "topology.kubernetes.io/zone"
	)
	app := clustertest.Labels("app=a")
	pg := clustertest.StatefulSet("shop/pg", app)
	pgFrom3 := clustertest.StatefulSet("shop/pg", app, clustertest.FirstOrdinal(3))
	web := clustertest.Deployment("shop/web", app)
	job := clustertest.Job("shop/migrate", app)
	manual := clustertest.Job("shop/migrate", app)
	manual.Spec.ManualSelector = new(bool)
	*manual.Spec.ManualSelector = true
	tests := []struct {
		object runtime.Object
		asked  []metav1.LabelSelectorRequirement
		want   selector.Match
	}{
		{pg, []metav1.LabelSelectorRequirement{in(podName, "pg-0")}, selector.Maybe},
		{pg, []metav1.LabelSelectorRequirement{in(podName, "pg-900")}, selector.Maybe},
		{pg, []metav1.LabelSelectorRequirement{in(podName, "pg", "pg-00", "pg--1", "pgx-0", "pg-0-0", "0")}, selector.No},
		{pg, []metav1.LabelSelectorRequirement{notIn(podName, "pg-0")}, selector.Maybe},
		{pg, []metav1.LabelSelectorRequirement{notIn(podName, "other-0")}, selector.Yes},
		{pg, []metav1.LabelSelectorRequirement{exists(podName), exists(podIndex), exists("controller-revision-hash")}, selector.Yes},
		{pg, []metav1.LabelSelectorRequirement{lacks(podName)}, selector.No},
		{pg, []metav1.LabelSelectorRequirement{in(podName, "pg-0"), in(podIndex, "0")}, selector.Maybe},
		{pg, []metav1.LabelSelectorRequirement{in(podName, "pg-0"), in(podIndex, "1")}, selector.No},
		{pg, []metav1.LabelSelectorRequirement{in(podName, "pg-0", "pg-1"), in(podName, "pg-2")}, selector.No},
		{pg, []metav1.LabelSelectorRequirement{in(podIndex, "0", "1"), notIn(podIndex, "0"), notIn(podName, "pg-1")}, selector.No},
		{pg, []metav1.LabelSelectorRequirement{in(podIndex, "0"), in("app", "b")}, selector.No},
		{pg, []metav1.LabelSelectorRequirement{in("controller-revision-hash", "pg-1")}, selector.Maybe},
		{pg, []metav1.LabelSelectorRequirement{exists("pod-template-hash")}, selector.No},
		{pgFrom3, []metav1.LabelSelectorRequirement{in(podIndex, "0", "2")}, selector.No},
		{pgFrom3, []metav1.LabelSelectorRequirement{in(podIndex, "3")}, selector.Maybe},
		{pgFrom3, []metav1.LabelSelectorRequirement{notIn(podName, "pg-2")}, selector.Yes},
		{clustertest.StatefulSet("shop/x", app, clustertest.GenerateName("pg-")), []metav1.LabelSelectorRequirement{in(podName, "pg-a-0")}, selector.Maybe},
		{web, []metav1.LabelSelectorRequirement{in("pod-template-hash", "x")}, selector.Maybe},
		{web, []metav1.LabelSelectorRequirement{notIn("pod-template-hash", "x")}, selector.Maybe},
		{web, []metav1.LabelSelectorRequirement{exists("pod-template-hash")}, selector.Yes},
		{web, []metav1.LabelSelectorRequirement{lacks("pod-template-hash")}, selector.No},
		{web, []metav1.LabelSelectorRequirement{lacks(podName), lacks(jobName), lacks("controller-revision-hash")}, selector.Yes},
		{clustertest.Deployment("shop/web", clustertest.Labels("pod-template-hash=x")), []metav1.LabelSelectorRequirement{in("pod-template-hash", "x")}, selector.Maybe},
		{clustertest.ReplicaSet("shop/web-x", clustertest.Labels("pod-template-hash=x")), []metav1.LabelSelectorRequirement{in("pod-template-hash", "x")}, selector.Yes},
		{clustertest.ReplicaSet("shop/rs", app), []metav1.LabelSelectorRequirement{exists("pod-template-hash")}, selector.No},
		{clustertest.DaemonSet("shop/agent", app), []metav1.LabelSelectorRequirement{exists("controller-revision-hash"), exists("pod-template-generation")}, selector.Yes},
		{clustertest.DaemonSet("shop/agent", app), []metav1.LabelSelectorRequirement{in("pod-template-generation", "1")}, selector.Maybe},
		{job, []metav1.LabelSelectorRequirement{in("job-name", "migrate"), in(jobName, "migrate")}, selector.Yes},
		{job, []metav1.LabelSelectorRequirement{in("job-name", "other")}, selector.No},
		{job, []metav1.LabelSelectorRequirement{exists("controller-uid"), in("batch.kubernetes.io/controller-uid", "u-1")}, selector.Maybe},
		{job, []metav1.LabelSelectorRequirement{in("controller-uid", "u-1"), in("batch.kubernetes.io/controller-uid", "u-2")}, selector.No},
		{job, []metav1.LabelSelectorRequirement{exists(jobIndex)}, selector.No},
		{manual, []metav1.LabelSelectorRequirement{exists("job-name")}, selector.No},
		{clustertest.Job("shop/x", app, clustertest.GenerateName("migrate-")), []metav1.LabelSelectorRequirement{in(jobName, "migrate-1")}, selector.Maybe},
		{clustertest.Job("shop/j", app, clustertest.Indexed()), []metav1.LabelSelectorRequirement{in(jobIndex, "7")}, selector.Maybe},
		{clustertest.Job("shop/j", app, clustertest.Indexed()), []metav1.LabelSelectorRequirement{in(jobIndex, "x")}, selector.No},
		{clustertest.CronJob("shop/dump", app), []metav1.LabelSelectorRequirement{in(jobName, "dump-1")}, selector.Maybe},
		{clustertest.CronJob("shop/dump", app), []metav1.LabelSelectorRequirement{lacks(jobName)}, selector.No},
		{clustertest.CronJob("shop/dump", app), []metav1.LabelSelectorRequirement{in(jobName, "a"), in("job-name", "b")}, selector.No},
		{clustertest.CronJob("shop/dump", app), []metav1.LabelSelectorRequirement{exists(jobIndex)}, selector.No},
		{web, []metav1.LabelSelectorRequirement{in(zone, "a")}, selector.Maybe},
		{web, []metav1.LabelSelectorRequirement{lacks(zone)}, selector.Maybe},
		{clustertest.Deployment("shop/web", clustertest.Labels(zone+"=a")), []metav1.LabelSelectorRequirement{in(zone, "b")}, selector.Maybe},
		{clustertest.Deployment("shop/web", clustertest.Labels(zone+"=a")), []metav1.LabelSelectorRequirement{lacks(zone)}, selector.No},
		{clustertest.Pod("shop/p", app), []metav1.LabelSelectorRequirement{in(zone, "a")}, selector.Maybe},
		{clustertest.Pod("shop/p", app, clustertest.Bound()), []metav1.LabelSelectorRequirement{in(zone, "a")}, selector.No},
		{clustertest.Pod("shop/p", clustertest.Labels(zone+"=a"), clustertest.Bound()), []metav1.LabelSelectorRequirement{in(zone, "a")}, selector.Yes},
		{clustertest.Pod("shop/p", app), []metav1.LabelSelectorRequirement{exists("pod-template-hash")}, selector.No},
		{clustertest.Pod("shop/p", app, clustertest.ControlledBy("Rollout/r")), []metav1.LabelSelectorRequirement{exists("pod-template-hash")}, selector.No},
	}
	for _, tt := range tests {
		s := selectorOf(t, tt.asked...)
		snapshot := clustertest.Snapshot(t, tt.object)
		for w := range snapshot.AllWorkloads() {
			if got := w.Variants[0].Matches(s); got != tt.want {
				t.Errorf("%s of %s: got %v, want %v", s, w, got, tt.want)
			}
		}
	}
}

// made are pods that a template could make: some of each sort that selectors of
// the law tell apart. It knows what controllers write into pods, and nothing of
// how the model thinks of it.
func made(o runtime.Object) []map[string]string {
	pods := []map[string]string{{}}
	add := func(key string, values ...string) {
		var next []map[string]string
		for _, p := range pods {
			for _, v := range values {
				q := maps.Clone(p)
				if q[key] = v; v == "-" {
					delete(q, key)
				}
				next = append(next, q)
			}
		}
		pods = next
	}
	show := func(l map[string]string) {
		for k, v := range l {
			add(k, v)
		}
	}
	twice := func(old string, values ...string) {
		if own, ok := pods[0][old]; ok {
			values = []string{own}
		}
		var next []map[string]string
		for _, v := range values {
			for _, p := range pods {
				q := maps.Clone(p)
				q[old], q["batch.kubernetes.io/"+old] = v, v
				next = append(next, q)
			}
		}
		pods = next
	}
	job := func(spec *batchv1.JobSpec, names ...string) {
		twice("job-name", names...)
		twice("controller-uid", "1", "2", "x", "fresh")
		if spec.CompletionMode != nil {
			add("batch.kubernetes.io/job-completion-index", "0", "1", "2", "77")
		}
	}
	switch o := o.(type) {
	case *corev1.Pod:
		show(o.Labels)
		if o.Spec.NodeName != "" {
			return pods
		}
	case *appsv1.Deployment:
		show(o.Spec.Template.Labels)
		add("pod-template-hash", "1", "2", "x", "fresh")
	case *appsv1.ReplicaSet:
		show(o.Spec.Template.Labels)
	case *appsv1.DaemonSet:
		show(o.Spec.Template.Labels)
		add("controller-revision-hash", "1", "2", "x", "fresh")
		add("pod-template-generation", "1", "2", "x", "77")
	case *appsv1.StatefulSet:
		show(o.Spec.Template.Labels)
		add("controller-revision-hash", "1", "2", "x", "fresh")
		var next []map[string]string
		for n := o.Spec.Ordinals.Start; n < o.Spec.Ordinals.Start+5; n++ {
			for _, p := range pods {
				q := maps.Clone(p)
				q["statefulset.kubernetes.io/pod-name"], q["apps.kubernetes.io/pod-index"] = fmt.Sprintf("%s-%d", o.Name, n), strconv.Itoa(int(n))
				next = append(next, q)
			}
		}
		pods = next
	case *batchv1.Job:
		show(o.Spec.Template.Labels)
		job(&o.Spec, o.Name)
	case *batchv1.CronJob:
		show(o.Spec.JobTemplate.Spec.Template.Labels)
		job(&o.Spec.JobTemplate.Spec, "1", "2", "x", "fresh")
	}
	if _, ok := pods[0]["topology.kubernetes.io/zone"]; ok {
		add("topology.kubernetes.io/zone", "1", "2", "x", "fresh")
	} else {
		add("topology.kubernetes.io/zone", "-", "1", "2", "x", "fresh")
	}
	return pods
}

func drawMaker(t *rapid.T) runtime.Object {
	var options []clustertest.Option
	for _, key := range []string{"app", "pod-template-hash", "topology.kubernetes.io/zone", "job-name"} {
		if rapid.IntRange(0, 3).Draw(t, "shows "+key) == 0 {
			options = append(options, clustertest.Labels(key+"=1"))
		}
	}
	if rapid.Bool().Draw(t, "indexed") {
		options = append(options, clustertest.Indexed())
	}
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0:
		return clustertest.Deployment("shop/x", options...)
	case 1:
		return clustertest.ReplicaSet("shop/x", options...)
	case 2:
		return clustertest.DaemonSet("shop/x", options...)
	case 3:
		return clustertest.Job("shop/x", options...)
	case 4:
		return clustertest.CronJob("shop/x", options...)
	case 5:
		if rapid.Bool().Draw(t, "bound") {
			options = append(options, clustertest.Bound())
		}
		return clustertest.Pod("shop/x", options...)
	}
	return clustertest.StatefulSet("shop/x", append(options, clustertest.FirstOrdinal(rapid.Int32Range(0, 2).Draw(t, "first")))...)
}

func drawGeneratedSelector(t *rapid.T) selector.Selector {
	var all []metav1.LabelSelectorRequirement
	for range rapid.IntRange(1, 3).Draw(t, "requirements") {
		key := rapid.SampledFrom([]string{
			"app", "pod-template-hash", "controller-revision-hash", "pod-template-generation", "job-name", "batch.kubernetes.io/job-name",
			"controller-uid", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-completion-index", "topology.kubernetes.io/zone",
			"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
		}).Draw(t, "key")
		known := []string{"1", "2", "x"}
		if key == "statefulset.kubernetes.io/pod-name" {
			known = []string{"x", "x-0", "x-1", "x-2", "y-1", "x-01"}
		}
		values := rapid.SliceOfN(rapid.SampledFrom(known), 1, 3).Draw(t, "values")
		all = append(all, rapid.SampledFrom([]metav1.LabelSelectorRequirement{
			in(key, values...), in(key, values...), notIn(key, values...), exists(key), lacks(key),
		}).Draw(t, "requirement"))
	}
	return selectorOf(t, all...)
}

// TestLawASelectorAnswersForEveryPodThatAControllerCouldMake: Yes if it selects
// all of them, No if none, and else Maybe; and what is split by ordinals leaves
// no doubt about ordinals.
func TestLawASelectorAnswersForEveryPodThatAControllerCouldMake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object, asking := drawMaker(t), drawGeneratedSelector(t)
		all, none := true, true
		pods := made(object)
		for _, p := range pods {
			selected := asking.Matches(p) == selector.Yes
			all, none = all && selected, none && !selected
		}
		want := selector.Maybe
		switch {
		case all:
			want = selector.Yes
		case none:
			want = selector.No
		}
		for w := range clustertest.Snapshot(t, object).AllWorkloads() {
			v := w.Variants[0]
			if got := v.Matches(asking); got != want {
				t.Fatalf("%s of %s, which shows %v: got %v, want %v", asking, w, v.Labels, got, want)
			}
			best, worst := selector.No, selector.Yes
			for _, part := range cluster.Split(w.Variants, (&cluster.Keys{}).With(asking)) {
				best, worst = best.Or(part.Matches(asking)), worst.And(part.Matches(asking))
			}
			if (want == selector.No) != (best == selector.No) || (want == selector.Yes) != (worst == selector.Yes) {
				t.Fatalf("%s of %s: %v for all, %v to %v in parts", asking, w, want, worst, best)
			}
		}
	})
}
