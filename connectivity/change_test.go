package connectivity_test

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

// drawChange draws one change, and gives the objects as they are after it.
func drawChange(t *rapid.T, objects []runtime.Object, name string) ([]runtime.Object, []cluster.Change) {
	add := func(o runtime.Object) ([]runtime.Object, []cluster.Change) {
		return append(slices.Clone(objects), o), clustertest.Create(t, o)
	}
	switch rapid.IntRange(0, 9).Draw(t, name+" kind of change") {
	case 0:
		return add(drawNetpol(t, name))
	case 1:
		return add(drawPod(t, name))
	case 2, 3:
		if len(objects) == 0 {
			return objects, nil
		}
		i := rapid.IntRange(0, len(objects)-1).Draw(t, name+" deletes")
		if _, ok := objects[i].(*corev1.Namespace); ok {
			return objects, nil // it goes last, when nothing is in it
		}
		return slices.Delete(slices.Clone(objects), i, i+1), clustertest.Delete(t, objects[i])
	}
	if len(objects) == 0 {
		return objects, nil
	}
	i := rapid.IntRange(0, len(objects)-1).Draw(t, name+" edits")
	after := slices.Clone(objects)
	after[i] = drawEdit(t, objects[i], name)
	return after, []cluster.Change{clustertest.Update(t, objects[i], after[i])}
}

// drawEdit is another version of an object.
func drawEdit(t *rapid.T, o runtime.Object, name string) runtime.Object {
	o = o.DeepCopyObject()
	switch o := o.(type) {
	case *networkingv1.NetworkPolicy:
		o.Spec = drawNetpol(t, name).Spec
	case *corev1.Namespace:
		o.Labels = drawLabels(t, name)
	case *corev1.Pod:
		switch rapid.IntRange(0, 2).Draw(t, name+" pod edit") {
		case 0:
			o.Status = drawStatus(t, name)
		case 1:
			o.OwnerReferences = nil
		default:
			for k, v := range drawLabels(t, name) {
				metav1.SetMetaDataLabel(&o.ObjectMeta, k, v)
			}
		}
	default:
		template := templateOf(o)
		template.Labels = drawLabels(t, name)
		if rapid.Bool().Draw(t, name+" new spec") {
			template.Spec = drawSpec(t, name)
		}
	}
	return o
}
