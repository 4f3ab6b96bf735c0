package live

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/customresource/v1alpha1"
)

// Of an object what is looked at is kept, and nothing that anybody may add to it.
func TestWhatIsKeptOfAnObject(t *testing.T) {
	f := &Follower{log: slog.New(slog.DiscardHandler), changed: make(chan struct{}, 1)}
	s := &shelf[v1alpha1.Guardrail]{follower: f, objects: map[types.NamespacedName]*v1alpha1.Guardrail{}}
	metadata := func() map[string]any {
		return map[string]any{
			"name": "web", "uid": "u", "generation": int64(3), "creationTimestamp": "2026-11-28T00:00:00Z",
			"labels": map[string]any{"a": "b"}, "annotations": map[string]any{"a": "b"}, "finalizers": []any{"a/b"},
			"ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "y"}},
			"managedFields":   []any{map[string]any{"manager": "m"}},
		}
	}
	for name, object := range map[string]map[string]any{
		"Right": {"metadata": metadata(), "spec": map[string]any{"guardrail": "default-deny"}, "status": map[string]any{"observedGeneration": int64(2)}},
		"Wrong": {"metadata": metadata(), "spec": "text"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Add(&unstructured.Unstructured{Object: object}); err != nil {
				t.Fatal(err)
			}
			got := s.get(types.NamespacedName{Name: "web"})
			if got == nil {
				t.Fatal("it is not there")
			}
			want := metav1.ObjectMeta{Name: "web", UID: "u", Generation: 3, CreationTimestamp: got.CreationTimestamp}
			if diff := cmp.Diff(want, got.ObjectMeta); diff != "" || got.CreationTimestamp.IsZero() {
				t.Errorf("-want +got:\n%s", diff)
			}
			if right := name == "Right"; (got.Spec.Guardrail == "default-deny") != right || (got.Status.ObservedGeneration == 2) != right {
				t.Errorf("what it says: %+v", got)
			}
		})
	}
}

// Exemptions of which nothing is heard may have been taken back; guardrails stay.
func TestExemptionsThatNobodyConfirms(t *testing.T) {
	f := &Follower{log: slog.New(slog.DiscardHandler), changed: make(chan struct{}, 1)}
	f.guardrails = &shelf[v1alpha1.Guardrail]{follower: f, resource: v1alpha1.Guardrails()}
	f.exemptions = &shelf[v1alpha1.Exemption]{follower: f, resource: v1alpha1.Exemptions()}
	if err := f.Listed(); err == nil || !strings.Contains(err.Error(), "exemptions.podcullis.io are not listed yet") {
		t.Errorf("before the first list: %v", err)
	}
	ctx := t.Context()
	f.exemptions.heard(ctx, apierrors.NewNotFound(v1alpha1.Exemptions().GroupResource(), ""))
	if err := f.Listed(); err == nil || !strings.Contains(err.Error(), "the definition of exemptions.podcullis.io is not installed") {
		t.Errorf("without the definitions: %v", err)
	}
	for _, s := range []interface{ Replace([]any, string) error }{f.guardrails, f.exemptions} {
		if err := s.Replace(nil, "1"); err != nil {
			t.Fatal(err)
		}
	}
	f.exemptions.heard(ctx, nil)
	if o := f.Objects(0); f.Listed() != nil || o.Unconfirmed != "" {
		t.Errorf("when all is listed: %v, %q", f.Listed(), o.Unconfirmed)
	}
	f.exemptions.heard(ctx, errors.New("refused"))
	if o := f.Objects(time.Hour); o.Unconfirmed != "" {
		t.Errorf("for a moment: %q", o.Unconfirmed)
	}
	f.exemptions.since = time.Now().Add(-2 * time.Hour)
	f.exemptions.heard(ctx, errors.New("refused again"))
	if o := f.Objects(time.Hour); !strings.Contains(o.Unconfirmed, "refused again") {
		t.Errorf("for longer than an hour: %q", o.Unconfirmed)
	}
	f.exemptions.heard(ctx, apierrors.NewResourceExpired("too old")) // which a list follows
	over, cancel := context.WithCancel(ctx)
	cancel()
	f.exemptions.heard(over, nil) // of one that is at its end
	if o := f.Objects(time.Hour); o.Unconfirmed == "" {
		t.Error("what is no answer counts as one")
	}
}
