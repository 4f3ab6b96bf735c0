package connectivity_test

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"slices"
)

func noRC(o []runtime.Object) []runtime.Object {
	return slices.DeleteFunc(slices.Clone(o), func(o runtime.Object) bool { _, rc := o.(*corev1.ReplicationController); return rc })
}
