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

// What was made of a document is no part of an object, and having one is.
func TestSame(t *testing.T) {
	read := documented(t, "shop", "front", "me")
	if _, err := documentIn(read).Derive(func(fields map[string]any) (any, error) { return len(fields), nil }); err != nil {
		t.Fatal(err)
	}
	without := documented(t, "shop", "front", "me")
	Keep(without, nil)
	for name, c := range map[string]struct {
		a, b Object
		want bool
	}{
		"ReadMeanwhile":   {read, documented(t, "shop", "front", "me"), true},
		"AnotherDocument": {read, documented(t, "shop", "front", "you"), false},
		"AnotherObject":   {read, documented(t, "bank", "front", "me"), false},
		"DocumentGone":    {read, without, false},
		"DocumentsOfNone": {without, sameButDocument(read), true},
		"Nothing":         {nil, nil, true},
		"New":             {nil, read, false},
		"Gone":            {read, nil, false},
		"Undocumented":    {&Foreign{Name: "a"}, &Foreign{Name: "a"}, true},
	} {
		if got := Same(c.a, c.b); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Each kind that can have a document is compared without it, and one without is not copied.
func TestSameButDocument(t *testing.T) {
	for _, o := range []Object{&Namespace{}, &Pod{}, &Template{}, &Netpol{}, &Service{}, &IngressEntry{}} {
		if sameButDocument(o) != o {
			t.Errorf("%T without a document is copied", o)
		}
		Keep(o, NewDocument(map[string]any{"kind": "x"}))
		if documentIn(sameButDocument(o)) != nil || documentIn(o) == nil {
			t.Errorf("%T keeps its document, or loses it itself", o)
		}
	}
}

// The kinds are asked for one by one, or with the group and version of each.
func TestDocumentable(t *testing.T) {
	for _, k := range DocumentKinds() {
		if !Documentable("", k.Kind) || !Documentable(k.GroupVersion().String(), k.Kind) || Documentable("example.com/"+k.Version, k.Kind) || Documentable(k.Group, k.Kind) && k.Group != "" {
			t.Errorf("%s", k)
		}
	}
	if Documentable("", "Secret") || Documentable("v1", "Deployment") {
		t.Error("what is in no model is documentable")
	}
	DocumentKinds()[0].Kind = "Secret"
	if Documentable("", "Secret") {
		t.Error("the list is everybody's to change")
	}
}
