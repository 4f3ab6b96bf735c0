package live

import (
	"log/slog"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"

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

// An object that is sent again as it was is no change, whatever reviews have made of the document
// that is kept of it, and while they do so.
func TestSentAgainIsNoChange(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "u", ResourceVersion: "7", Annotations: map[string]string{"owner": "me"}}
	for _, o := range []interface {
		runtime.Object
		metav1.Object
	}{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", ResourceVersion: "7", Annotations: meta.Annotations}},
		&corev1.Pod{ObjectMeta: meta},
		&corev1.Service{ObjectMeta: meta},
		&appsv1.Deployment{ObjectMeta: meta},
		&networkingv1.Ingress{ObjectMeta: meta},
		&networkingv1.NetworkPolicy{ObjectMeta: meta},
	} {
		var kinds []schema.GroupKind
		for _, k := range cluster.DocumentKinds() {
			kinds = append(kinds, k.GroupKind())
		}
		m := New(func(r schema.GroupVersionResource) (*toolscache.ListWatch, error) { return unserved(r), nil },
			Options{Documents: kinds, Log: slog.New(slog.DiscardHandler)})
		sent := func(owner string) event {
			o := o.DeepCopyObject()
			o.(metav1.Object).GetAnnotations()["owner"] = owner
			trimmed, err := m.trim(o)
			if err != nil {
				t.Fatal(err)
			}
			read, err := m.fromAPI(trimmed.(runtime.Object))
			if err != nil {
				t.Fatal(err)
			}
			return event{ref: read.Ref(), api: trimmed.(runtime.Object)}
		}
		first, again, other := sent("me"), sent("me"), sent("you")
		m.apply([]event{first})
		now := m.Snapshot()
		d := documentOf(now, first.ref)
		if d == nil {
			t.Fatalf("of %s no document is kept", first.ref)
		}
		var reviews sync.WaitGroup
		reviews.Go(func() { _, _ = d.Derive(func(fields map[string]any) (any, error) { return len(fields), nil }) })
		during, _ := m.changes(now, []event{again})
		reviews.Wait()
		after, _ := m.changes(now, []event{again})
		if len(during)+len(after) > 0 {
			t.Errorf("%s, sent again: %d changes while the document is read, %d after that", first.ref, len(during), len(after))
		}
		if changes, _ := m.changes(now, []event{other}); len(changes) != 1 {
			t.Errorf("%s, with another annotation: %d changes", first.ref, len(changes))
		}
	}
}

// documentOf is what is kept of an object.
func documentOf(s *cluster.Snapshot, ref cluster.Ref) *cluster.Document {
	for _, k := range cluster.DocumentKinds() {
		if d := s.Document(ref.Namespace, k.GroupVersion().String(), k.Kind, ref.Name); d != nil {
			return d
		}
	}
	return nil
}
