package live

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/yaml"
)

func route(t *testing.T, spec string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte("{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: web, namespace: shop}, spec: "+spec+"}"), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// unserved is a resource that the API server does not know.
func unserved(r schema.GroupVersionResource) *toolscache.ListWatch {
	return &toolscache.ListWatch{
		ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
			return nil, apierrors.NewNotFound(r.GroupResource(), "")
		},
		WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) {
			return nil, apierrors.NewNotFound(r.GroupResource(), "")
		},
	}
}

// entries are the names of the entries that the snapshot holds.
func (f *fixture) entries() string {
	synctest.Wait()
	var out []string
	for o := range f.Snapshot().Objects() {
		out = append(out, o.Ref().String())
	}
	return strings.Join(out, " ")
}

// Services, Ingresses and routes are followed where they are asked for, and not else.
func TestEntriesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{Entries: true})
		f.listed("Service.core", "Ingress", "HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
		if f.Synced() {
			t.Error("synced before they are listed")
		}
		f.kind("Service.core").Add(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}}}})
		f.kind("HTTPRoute").Add(route(t, "{rules: [{backendRefs: [{name: web, port: 80}]}]}"))
		for _, k := range entryKinds() {
			f.kind(k.name).answer()
		}
		if got := f.entries(); got != "shop/HTTPRoute/web shop/Service.core/web" {
			t.Errorf("got %s", got)
		}
		if s, ok := f.Snapshot().Service("shop", "web"); !ok || s.FromOutside() != "LoadBalancer" {
			t.Errorf("got %v", s)
		}
		f.kind("Service.core").Update(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}})
		f.kind("Ingress").Add(&networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}})
		f.kind("HTTPRoute").Delete(route(t, "{}"))
		if got := f.entries(); got != "shop/Ingress/web shop/Service.core/web" {
			t.Errorf("got %s", got)
		}
		if s, _ := f.Snapshot().Service("shop", "web"); s.FromOutside() != "" {
			t.Error("a Service that is inside now is taken for one that is not")
		}
	})
	if slices.ContainsFunc(kindsOf(Options{}), func(k kind) bool { return k.name == "Service.core" || k.name == "Ingress" }) {
		t.Error("entries are followed although nobody asks about them")
	}
}

// Routes are listed in the version that is served; of those that are not there are none.
func TestRoutesInWhicheverVersion(t *testing.T) {
	served := ""
	source := func(r schema.GroupVersionResource) (*toolscache.ListWatch, error) {
		is := func() error {
			if r.Version != served {
				return apierrors.NewNotFound(r.GroupResource(), "")
			}
			return nil
		}
		return &toolscache.ListWatch{
			ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
				return &unstructured.UnstructuredList{Items: []unstructured.Unstructured{*route(t, "{}")}}, is()
			},
			WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) { return watch.NewFake(), is() },
		}, nil
	}
	k := &routeKind{kind: "HTTPRoute"}
	resource := k.in("v1", "httproutes")
	lw, err := k.listWatch(source, resource)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", "v1beta1", "v1alpha2", ""} {
		served = version
		list, err := lw.ListWithContext(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		items := list.(*unstructured.UnstructuredList).Items
		_, err = lw.WatchWithContext(t.Context(), metav1.ListOptions{})
		want := version
		if version == "" {
			want = "v1"
		}
		if (len(items) > 0) != (version != "") || (err == nil) != (version != "") || k.now(resource).Version != want {
			t.Errorf("served in %q: %d routes, the watch says %v, in version %s", version, len(items), err, k.now(resource).Version)
		}
	}
}
