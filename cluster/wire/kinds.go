package wire

import (
	"maps"
	"slices"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// made makes an empty object of each kind that the model holds.
var made = map[metav1.GroupVersionKind]func() runtime.Object{
	{Version: "v1", Kind: "Namespace"}:                                 func() runtime.Object { return &corev1.Namespace{} },
	{Version: "v1", Kind: "Pod"}:                                       func() runtime.Object { return &corev1.Pod{} },
	{Group: "apps", Version: "v1", Kind: "Deployment"}:                 func() runtime.Object { return &appsv1.Deployment{} },
	{Group: "apps", Version: "v1", Kind: "StatefulSet"}:                func() runtime.Object { return &appsv1.StatefulSet{} },
	{Group: "apps", Version: "v1", Kind: "DaemonSet"}:                  func() runtime.Object { return &appsv1.DaemonSet{} },
	{Group: "apps", Version: "v1", Kind: "ReplicaSet"}:                 func() runtime.Object { return &appsv1.ReplicaSet{} },
	{Version: "v1", Kind: "ReplicationController"}:                     func() runtime.Object { return &corev1.ReplicationController{} },
	{Group: "batch", Version: "v1", Kind: "Job"}:                       func() runtime.Object { return &batchv1.Job{} },
	{Group: "batch", Version: "v1", Kind: "CronJob"}:                   func() runtime.Object { return &batchv1.CronJob{} },
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}: func() runtime.Object { return &networkingv1.NetworkPolicy{} },
}

// New is an empty object of a kind that the model holds, to be read into; nil for
// every other kind.
func New(kind metav1.GroupVersionKind) runtime.Object {
	if empty, ok := made[kind]; ok {
		return empty()
	}
	return nil
}

// Kinds are the kinds that the model holds, sorted. The caller must not change the list.
func Kinds() []metav1.GroupVersionKind { return sortedKinds() }

var sortedKinds = sync.OnceValue(func() []metav1.GroupVersionKind {
	return slices.SortedFunc(maps.Keys(made), func(a, b metav1.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) })
})
