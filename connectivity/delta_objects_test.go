package connectivity_test

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

// Objects as an API server stores them, with uids: an object's uid is
// "Kind/name" unless a case says otherwise. Labels are "key=value key=value",
// and what makes pods selects them by the first.

// owned is one owner reference.
type owned struct {
	apiVersion, kind, name, uid string
	notController               bool
}

// of names an owner in the model, written "Kind/name", as its controller does.
func of(owner string) owned {
	kind, name, _ := strings.Cut(owner, "/")
	version := "v1"
	if group := groupOfKind[kind]; group != "" {
		version = group + "/v1"
	}
	return owned{version, kind, name, owner, false}
}

// ofCustom names an owner of a custom resource.
func ofCustom(owner string) owned {
	o := of(owner)
	o.apiVersion = "example.com/v1"
	return o
}

func (o owned) group(g string) owned { o.apiVersion = g + "/v1"; return o }

func (o owned) withUID(uid string) owned { o.uid = uid; return o }

func (o owned) noController() owned { o.notController = true; return o }

func metaOf(kind, ref string, owners []owned) metav1.ObjectMeta {
	namespace, name, _ := strings.Cut(ref, "/")
	m := metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(kind + "/" + name)}
	for _, o := range owners {
		r := metav1.OwnerReference{APIVersion: o.apiVersion, Kind: o.kind, Name: o.name, UID: types.UID(o.uid)}
		if !o.notController {
			yes := true
			r.Controller = &yes
		}
		m.OwnerReferences = append(m.OwnerReferences, r)
	}
	return m
}

func labelSet(labels string) map[string]string { return clustertest.Set(strings.Fields(labels)...) }

// shape is what a pod and a template have besides labels.
type shape struct {
	hostNetwork bool
	ports       []corev1.ContainerPort
}

func (s shape) spec() corev1.PodSpec {
	return corev1.PodSpec{HostNetwork: s.hostNetwork, Containers: []corev1.Container{{Name: "main", Ports: s.ports}}}
}

func podOf(ref, labels string, owners ...owned) *corev1.Pod {
	return shapedPod(ref, labels, shape{}, owners...)
}

func shapedPod(ref, labels string, s shape, owners ...owned) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metaOf("Pod", ref, owners), Spec: s.spec()}
	p.Labels = labelSet(labels)
	return p
}

// maker is an object with a pod template, of any kind in the model.
func maker(kind, ref, labels string, owners ...owned) runtime.Object {
	return shapedMaker(kind, ref, labels, shape{}, owners...)
}

func shapedMaker(kind, ref, labels string, s shape, owners ...owned) runtime.Object {
	return makerOf(kind, metaOf(kind, ref, owners), labels, labelSet(firstOf(labels)), s)
}

func firstOf(labels string) string {
	first, _, _ := strings.Cut(labels, " ")
	return first
}

func makerOf(kind string, m metav1.ObjectMeta, labels string, selects map[string]string, s shape) runtime.Object {
	t := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labelSet(labels)}, Spec: s.spec()}
	selector := &metav1.LabelSelector{MatchLabels: selects}
	m.Labels = labelSet(labels)
	switch kind {
	case "Deployment":
		return &appsv1.Deployment{ObjectMeta: m, Spec: appsv1.DeploymentSpec{Selector: selector, Template: t}}
	case "StatefulSet":
		return &appsv1.StatefulSet{ObjectMeta: m, Spec: appsv1.StatefulSetSpec{Selector: selector, Template: t}}
	case "DaemonSet":
		return &appsv1.DaemonSet{ObjectMeta: m, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: t}}
	case "ReplicaSet":
		one := int32(1)
		return &appsv1.ReplicaSet{ObjectMeta: m, Spec: appsv1.ReplicaSetSpec{Replicas: &one, Selector: selector, Template: t}}
	case "Job":
		return &batchv1.Job{ObjectMeta: m, Spec: batchv1.JobSpec{Selector: selector, Template: t}}
	case "CronJob":
		return &batchv1.CronJob{ObjectMeta: m, Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: t}}}}
	case "ReplicationController":
		return &corev1.ReplicationController{ObjectMeta: m, Spec: corev1.ReplicationControllerSpec{Selector: selects, Template: &t}}
	}
	panic("no maker of kind " + kind)
}

// idle is a ReplicaSet scaled to zero.
func idle(o runtime.Object) runtime.Object {
	none := int32(0)
	o.(*appsv1.ReplicaSet).Spec.Replicas = &none
	return o
}

// reborn is the object made anew, under another uid.
func reborn[T metav1.Object](o T) T {
	o.SetUID(o.GetUID() + "/again")
	return o
}
