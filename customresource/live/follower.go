package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/podcullis/podcullis/customresource"
	"github.com/podcullis/podcullis/customresource/v1alpha1"
)

// againAfter is the pause before a list or watch that failed is tried again, and up to twice
// as long by chance.
const (
	againAfter = time.Second / 2
	jitter     = 1.0
)

// Follower knows the objects as they are now.
type Follower struct {
	log        *slog.Logger
	guardrails *shelf[v1alpha1.Guardrail]
	exemptions *shelf[v1alpha1.Exemption]
	changed    chan struct{}
}

// NewFollower makes a Follower of an API server, which need not be there yet.
func NewFollower(config *rest.Config, log *slog.Logger) (*Follower, error) {
	c := rest.CopyConfig(config)
	c.QPS = -1 // a reflector's pause between its tries is what spares the API server
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	f := &Follower{log: log, changed: make(chan struct{}, 1)}
	f.guardrails = newShelf[v1alpha1.Guardrail](f, client, v1alpha1.Guardrails())
	f.exemptions = newShelf[v1alpha1.Exemption](f, client, v1alpha1.Exemptions())
	return f, nil
}

// Run follows the objects until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	var wait sync.WaitGroup
	wait.Go(func() { f.guardrails.run(ctx) })
	wait.Go(func() { f.exemptions.run(ctx) })
	wait.Wait()
}

// Changed has something in it when an object may have changed since it was read last.
func (f *Follower) Changed() <-chan struct{} { return f.changed }

func (f *Follower) tell() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Listed says what is not known yet; nil when all objects are.
func (f *Follower) Listed() error {
	return errors.Join(f.guardrails.unlisted(), f.exemptions.unlisted())
}

// Objects are those there are. Exemptions of which the API server has told nothing for longer
// than maxAge, although it was asked, may have been taken back.
func (f *Follower) Objects(maxAge time.Duration) customresource.Objects {
	out := customresource.Objects{Guardrails: f.guardrails.all(), Exemptions: f.exemptions.all()}
	if since, err := f.exemptions.failing(); err != nil && since > maxAge {
		out.Unconfirmed = fmt.Sprintf("for longer than %s the API server has not said which exemptions there are: %v", maxAge, err)
	}
	return out
}

// shelf has the objects of one resource. It implements toolscache.ReflectorStore.
type shelf[T any] struct {
	follower *Follower
	resource schema.GroupVersionResource
	lists    *toolscache.ListWatch

	mu      sync.Mutex
	objects map[types.NamespacedName]*T // never changed, only replaced
	listed  bool
	err     error     // of the last list or watch
	since   time.Time // it has failed since
}

func newShelf[T any](f *Follower, client dynamic.Interface, resource schema.GroupVersionResource) *shelf[T] {
	all := client.Resource(resource)
	s := &shelf[T]{follower: f, resource: resource, objects: map[types.NamespacedName]*T{}}
	s.lists = &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := all.List(ctx, o)
			s.heard(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := all.Watch(ctx, o)
			if o.SendInitialEvents == nil || err == nil { // else a list follows
				s.heard(ctx, err)
			}
			return w, err
		},
	}
	return s
}

func (s *shelf[T]) run(ctx context.Context) {
	silence := logr.Discard()
	r := toolscache.NewReflectorWithOptions(s.lists, &unstructured.Unstructured{}, s, toolscache.ReflectorOptions{
		Logger: &silence, Name: s.resource.Resource, Backoff: &wait.Backoff{Duration: againAfter, Jitter: jitter},
	})
	r.RunWithContext(klog.NewContext(ctx, logr.Discard()))
}

// heard notes whether the API server answers, and logs when that changes.
func (s *shelf[T]) heard(ctx context.Context, err error) {
	if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if apierrors.IsNotFound(err) {
		err = fmt.Errorf("the definition of %s is not installed: customResources.enabled of the chart installs it, and without it --custom-resources is left off", s.resource.GroupResource())
	}
	text := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	switch was := s.err; {
	case err == nil && was != nil:
		s.follower.log.Info("custom resources are followed again", "resource", s.resource.GroupResource().String())
		s.since = time.Time{}
	case err != nil && text(was) != text(err):
		s.follower.log.Error("custom resources cannot be followed; what is known of them stays", "resource", s.resource.GroupResource().String(), "error", err)
	}
	if err != nil && s.since.IsZero() {
		s.since = time.Now()
	}
	s.err = err
}

func (s *shelf[T]) failing() (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return 0, nil
	}
	return time.Since(s.since), s.err
}

func (s *shelf[T]) unlisted() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listed {
		return nil
	}
	return cmp.Or(s.err, fmt.Errorf("%s are not listed yet", s.resource.GroupResource()))
}

func (s *shelf[T]) all() []*T {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*T, 0, len(s.objects))
	for _, o := range s.objects {
		out = append(out, o)
	}
	return out
}

// get is one object; nil if it is not there.
func (s *shelf[T]) get(name types.NamespacedName) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[name]
}

// Add implements toolscache.ReflectorStore.
func (s *shelf[T]) Add(object any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(object)
	s.follower.tell()
	return nil
}

// Update implements toolscache.ReflectorStore.
func (s *shelf[T]) Update(object any) error { return s.Add(object) }

// Delete implements toolscache.ReflectorStore.
func (s *shelf[T]) Delete(object any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u, ok := object.(*unstructured.Unstructured); ok {
		delete(s.objects, nameOf(u))
	}
	s.follower.tell()
	return nil
}

// Replace implements toolscache.ReflectorStore: these are all objects.
func (s *shelf[T]) Replace(objects []any, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects, s.listed = make(map[types.NamespacedName]*T, len(objects)), true
	for _, o := range objects {
		s.put(o)
	}
	s.follower.tell()
	return nil
}

// Resync implements toolscache.ReflectorStore; there is nothing to do again.
func (s *shelf[T]) Resync() error { return nil }

// put keeps what matters of an object. One that has not the form that its definition wants was
// stored before there was that definition: it is kept without what it says, and so is wrong.
func (s *shelf[T]) put(object any) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return
	}
	bare := map[string]any{"metadata": metadataOf(u)}
	for _, part := range []string{"spec", "status"} {
		if said, ok := u.Object[part]; ok {
			bare[part] = said
		}
	}
	made := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(bare, made); err != nil {
		made = new(T)
		delete(bare, "spec")
		delete(bare, "status")
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(bare, made); err != nil {
			return
		}
	}
	s.objects[nameOf(u)] = made
}

// metadataOf is what of an object's metadata is looked at: anybody's labels, annotations, owners
// and finalizers may be large.
func metadataOf(u *unstructured.Unstructured) map[string]any {
	all, _ := u.Object["metadata"].(map[string]any)
	out := map[string]any{}
	for _, field := range []string{"name", "namespace", "uid", "generation", "creationTimestamp"} {
		if v, ok := all[field]; ok {
			out[field] = v
		}
	}
	return out
}

func nameOf(u *unstructured.Unstructured) types.NamespacedName {
	return types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()}
}
