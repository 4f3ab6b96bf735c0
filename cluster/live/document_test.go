package live

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
)

// Whole objects are kept of the kinds that are asked for, and of no others.
func TestWholeObjectsAreKeptOfSomeKinds(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", ResourceVersion: "7", Annotations: map[string]string{"owner": "me"}},
		Spec:       corev1.PodSpec{PriorityClassName: "high"},
	}
	for _, kinds := range [][]schema.GroupKind{nil, {{Kind: "Namespace"}}, {{Kind: "Pod"}}} {
		trim, read := trimmer(cluster.Bounds{}, kinds), reader(cluster.Bounds{})
		once, err := trim(pod.DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		twice, err := trim(once) // as a reflector may
		if err != nil {
			t.Fatal(err)
		}
		o, err := read(twice.(runtime.Object))
		if err != nil {
			t.Fatal(err)
		}
		fields := o.(*cluster.Pod).Document.Fields()
		if kept := len(kinds) > 0 && kinds[0].Kind == "Pod"; (fields != nil) != kept {
			t.Errorf("kinds %v: kept %v", kinds, fields)
		} else if !kept {
			continue
		}
		spec, _ := fields["spec"].(map[string]any)
		meta, _ := fields["metadata"].(map[string]any)
		if fields["apiVersion"] != "v1" || fields["kind"] != "Pod" || spec["priorityClassName"] != "high" || meta["annotations"] == nil || meta["resourceVersion"] != nil {
			t.Errorf("kept %v", fields)
		}
	}
}
