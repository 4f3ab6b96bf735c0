package clustertest

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Namespace is a v1 Namespace with labels written "key=value".
func Namespace(name string, labels ...string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: Set(labels...)}}
}

// Pod is a v1 Pod; ref is "namespace/name", or a name alone.
func Pod(ref string, options ...Option) *corev1.Pod {
	p := build(ref, options)
	return &corev1.Pod{ObjectMeta: p.podMeta(), Spec: p.spec, Status: p.status}
}

// Deployment is an apps/v1 Deployment; the options are about its pod template,
// all but ControlledBy.
func Deployment(ref string, options ...Option) *appsv1.Deployment {
	p := build(ref, options)
	return &appsv1.Deployment{ObjectMeta: p.meta, Spec: appsv1.DeploymentSpec{Template: p.template()}}
}

// StatefulSet is an apps/v1 StatefulSet.
func StatefulSet(ref string, options ...Option) *appsv1.StatefulSet {
	p := build(ref, options)
	s := &appsv1.StatefulSet{ObjectMeta: p.meta, Spec: appsv1.StatefulSetSpec{Template: p.template()}}
	if p.first != nil {
		s.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: *p.first}
	}
	return s
}

// DaemonSet is an apps/v1 DaemonSet.
func DaemonSet(ref string, options ...Option) *appsv1.DaemonSet {
	p := build(ref, options)
	return &appsv1.DaemonSet{ObjectMeta: p.meta, Spec: appsv1.DaemonSetSpec{Template: p.template()}}
}

// ReplicaSet is an apps/v1 ReplicaSet.
func ReplicaSet(ref string, options ...Option) *appsv1.ReplicaSet {
	p := build(ref, options)
	return &appsv1.ReplicaSet{ObjectMeta: p.meta, Spec: appsv1.ReplicaSetSpec{Replicas: p.replicas, Template: p.template()}}
}

// ReplicationController is a v1 ReplicationController.
func ReplicationController(ref string, options ...Option) *corev1.ReplicationController {
	p := build(ref, options)
	t := p.template()
	return &corev1.ReplicationController{ObjectMeta: p.meta, Spec: corev1.ReplicationControllerSpec{Replicas: p.replicas, Template: &t}}
}

// Job is a batch/v1 Job.
func Job(ref string, options ...Option) *batchv1.Job {
	p := build(ref, options)
	j := &batchv1.Job{ObjectMeta: p.meta, Spec: p.job()}
	if p.finished != "" {
		j.Status.Conditions = []batchv1.JobCondition{{Type: p.finished, Status: corev1.ConditionTrue}}
	}
	return j
}

// CronJob is a batch/v1 CronJob.
func CronJob(ref string, options ...Option) *batchv1.CronJob {
	p := build(ref, options)
	return &batchv1.CronJob{ObjectMeta: p.meta, Spec: batchv1.CronJobSpec{
		JobTemplate: batchv1.JobTemplateSpec{Spec: p.job()},
	}}
}

func (p *parts) job() batchv1.JobSpec {
	j := batchv1.JobSpec{Template: p.template()}
	if p.indexed {
		mode := batchv1.IndexedCompletion
		j.CompletionMode = &mode
	}
	return j
}

// Netpol is a networking.k8s.io/v1 NetworkPolicy whose spec is written in YAML.
func Netpol(ref, spec string) *networkingv1.NetworkPolicy {
	np := &networkingv1.NetworkPolicy{ObjectMeta: build(ref, nil).meta}
	if err := yaml.UnmarshalStrict([]byte(spec), &np.Spec); err != nil {
		panic(ref + ": " + err.Error())
	}
	return np
}

// Set is a label set written "key=value".
func Set(labels ...string) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	set := make(map[string]string, len(labels))
	for _, l := range labels {
		k, v, ok := strings.Cut(l, "=")
		if !ok {
			panic("a label is key=value, got " + l)
		}
		set[k] = v
	}
	return set
}
