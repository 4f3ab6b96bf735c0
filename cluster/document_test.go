package cluster

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func documented(t *testing.T, namespace, name, owner string) Object {
	t.Helper()
	o, err := FromAPI(&networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	if err != nil {
		t.Fatal(err)
	}
	Keep(o, NewDocumentJSON([]byte(`{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "`+name+`", "resourceVersion": "7", "managedFields": [], "annotations": {"owner": "`+owner+`"}}}`)))
	return o
}

// What is kept of whole objects is made once for as long as a namespace is as it is.
func TestDocumentsAreShared(t *testing.T) {
	before, err := New(documented(t, "shop", "front", "me"), documented(t, "bank", "door", "you"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"cluster": map[string]any{}, "namespace": map[string]any{}}
	for namespace, of := range map[string][2]string{"shop": {"front", "me"}, "bank": {"door", "you"}} {
		want["namespace"].(map[string]any)[namespace] = map[string]any{"networking.k8s.io/v1": map[string]any{"Ingress": map[string]any{of[0]: map[string]any{
			"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": map[string]any{"name": of[0], "annotations": map[string]any{"owner": of[1]}},
		}}}}
	}
	if diff := cmp.Diff(want, before.Documents()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	after, err := before.Apply(Change{After: documented(t, "bank", "door", "me")})
	if err != nil {
		t.Fatal(err)
	}
	of := func(s *Snapshot, namespace string) any { return s.Documents()["namespace"].(map[string]any)[namespace] }
	if reflect.ValueOf(of(before, "shop")).Pointer() != reflect.ValueOf(of(after, "shop")).Pointer() {
		t.Error("a namespace that has not changed is made anew")
	}
	if before.Document("shop", "networking.k8s.io/v1", "Ingress", "front") != after.Document("shop", "networking.k8s.io/v1", "Ingress", "front") {
		t.Error("an object that has not changed is another document")
	}
	if cmp.Equal(of(before, "bank"), of(after, "bank")) {
		t.Error("an object that has changed is as it was")
	}
	if got := after.Document("bank", "networking.k8s.io/v1", "Ingress", "nobody"); got != nil {
		t.Errorf("one that there is not: %v", got)
	}
	if got := (&Snapshot{}).Documents(); len(got) != 2 {
		t.Errorf("the empty cluster has %v", got)
	}
}

// An annotation is no reason to ask the guardrails again, but the model takes it.
func TestDocumentAloneIsIdle(t *testing.T) {
	if !(Change{Before: documented(t, "shop", "front", "me"), After: documented(t, "shop", "front", "you")}).Idle() {
		t.Error("an object that differs in its document alone is not idle")
	}
}
