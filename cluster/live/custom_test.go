package live

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
)

func rolloutKind() cluster.Custom {
	return cluster.Custom{
		GroupVersionResource: schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"},
		Kind:                 "Rollout", Path: []string{"spec", "template"},
	}
}

func rollout(t *testing.T, spec string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte("{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: web, namespace: shop}, spec: "+spec+"}"), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func (f *fixture) rolloutLabels() string {
	synctest.Wait()
	o, ok := f.Snapshot().Template(cluster.Ref{Namespace: "shop", Kind: "Rollout", Name: "web"})
	if !ok {
		return "none"
	}
	return o.Labels.String()
}

// The templates of a kind of another API are followed as those of Kubernetes are.
func TestCustomKindsAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{Custom: []cluster.Custom{rolloutKind()}})
		f.listed("Rollout")
		if f.Synced() {
			t.Error("synced before the kind is listed")
		}
		k := f.kind("Rollout")
		k.Add(rollout(t, "{template: {metadata: {labels: {app: web}}}}"))
		k.answer()
		synctest.Wait()
		for _, step := range []struct{ spec, want string }{
			{"", "app=web"},
			{"{template: {metadata: {labels: {app: web, v: '2'}}}}", "app=web,v=2"},
			{"{template: {metadata: {labels: {app: 1}}}}", "app=web,v=2"}, // cannot be read, and stays as it was
			{"{workloadRef: {kind: Deployment}}", "none"},
			{"{template: {metadata: {labels: {app: web}}}}", "app=web"},
		} {
			if step.spec != "" {
				k.Update(rollout(t, step.spec))
			}
			if got := f.rolloutLabels(); got != step.want {
				t.Errorf("after %s: got %s, want %s", step.spec, got, step.want)
			}
		}
		k.Delete(rollout(t, "{}"))
		if got := f.rolloutLabels(); got != "none" {
			t.Errorf("after its deletion: %s", got)
		}
		if !strings.Contains(f.log.String(), "object cannot be read fully") {
			t.Errorf("what cannot be read is not logged:\n%s", f.log.String())
		}
	})
}

// A kind that is not served has no objects, and keeps nobody waiting; it may come later.
func TestACustomKindThatIsNotServedYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		missing := errors.Join(errNotServed)
		var served atomic.Bool
		f := start(t, Options{
			Custom: []cluster.Custom{rolloutKind()}, ProbePeriod: time.Second,
			Probe: func(_ context.Context, r schema.GroupVersionResource, _ string) (string, error) {
				if r.Resource == "rollouts" && !served.Load() {
					return "", missing
				}
				return "", nil
			},
		})
		k := f.kind("Rollout")
		k.fail(apierrors.NewNotFound(schema.GroupResource{Group: "argoproj.io", Resource: "rollouts"}, ""))
		f.listed()
		if !f.Synced() {
			t.Fatal("not synced")
		}
		time.Sleep(time.Minute) // of the bubble's clock
		synctest.Wait()
		if age, kind := f.Age(); age > 10*time.Second {
			t.Errorf("%s counts as out of date for %s", kind, age)
		}
		k.Add(rollout(t, "{template: {metadata: {labels: {app: web}}}}"))
		served.Store(true)
		k.heal()
		time.Sleep(time.Minute)
		if got := f.rolloutLabels(); got != "app=web" {
			t.Errorf("once it is served: %s", got)
		}
	})
}
