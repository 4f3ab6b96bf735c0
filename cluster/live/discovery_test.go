package live

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

func ask(t *testing.T, h http.HandlerFunc) func(mark string) (Served, error) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	discovery, err := NewDiscovery(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return func(mark string) (Served, error) { return discovery(t.Context(), mark) }
}

func resource(kind, scope string, verbs ...string) apidiscovery.APIResourceDiscovery {
	return apidiscovery.APIResourceDiscovery{
		Resource: strings.ToLower(kind), ResponseKind: &metav1.GroupVersionKind{Kind: kind}, Scope: apidiscovery.ResourceScope(scope), Verbs: verbs,
	}
}

func TestDiscoveryInOneDocument(t *testing.T) {
	list := apidiscovery.APIGroupDiscoveryList{Items: []apidiscovery.APIGroupDiscovery{
		{ObjectMeta: metav1.ObjectMeta{Name: "cilium.io"}, Versions: []apidiscovery.APIVersionDiscovery{
			{Version: "v2", Resources: []apidiscovery.APIResourceDiscovery{resource("A", "Namespaced", "list"), resource("B", "Cluster", "create")}},
			{Version: "v1", Resources: []apidiscovery.APIResourceDiscovery{resource("A", "Namespaced", "list"), {Resource: "nothing"}}},
		}},
		{ObjectMeta: metav1.ObjectMeta{Name: "down.example.org"}, Versions: []apidiscovery.APIVersionDiscovery{{Version: "v1", Freshness: apidiscovery.DiscoveryFreshnessStale}}},
	}}
	question := ask(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis" {
			t.Errorf("asked for %s, which needs a right to", r.URL.Path)
		}
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		_ = json.NewEncoder(w).Encode(list)
	})
	got, err := question("")
	want := Served{Mark: `"1"`, Down: []string{"down.example.org"}, Kinds: []ServedKind{
		{schema.GroupVersionKind{Group: "cilium.io", Version: "v2", Kind: "A"}, true, true},
		{schema.GroupVersionKind{Group: "cilium.io", Version: "v2", Kind: "B"}, false, false},
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, (-want +got):\n%s", err, diff)
	}
	if got, err = question(got.Mark); err != nil || !got.Unchanged || got.Mark != `"1"` {
		t.Errorf("nothing has changed, got %+v, %v", got, err)
	}
}

func TestDiscoveryOfAnOlderAPIServer(t *testing.T) {
	documents := map[string]any{
		"/api":  metav1.APIVersions{Versions: []string{"v1"}},
		"/apis": metav1.APIGroupList{Groups: []metav1.APIGroup{{Name: "cilium.io", Versions: []metav1.GroupVersionForDiscovery{{GroupVersion: "cilium.io/v2", Version: "v2"}}}}},
		"/api/v1": metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "pods", Kind: "Pod", Namespaced: true, Verbs: metav1.Verbs{"list"}}, {Name: "pods/status", Kind: "Pod", Namespaced: true, Verbs: metav1.Verbs{"get"}},
		}},
		"/apis/cilium.io/v2": metav1.APIResourceList{GroupVersion: "cilium.io/v2", APIResources: []metav1.APIResource{{Name: "a", Kind: "A", Verbs: metav1.Verbs{"list"}}}},
	}
	question := ask(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(documents[r.URL.Path])
	})
	got, err := question("")
	want := Served{Kinds: []ServedKind{
		{schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, true, true},
		{schema.GroupVersionKind{Group: "cilium.io", Version: "v2", Kind: "A"}, false, true},
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, (-want +got):\n%s", err, diff)
	}
}

func TestDiscoveryThatIsRefused(t *testing.T) {
	question := ask(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	if _, err := question(""); err == nil || !strings.Contains(err.Error(), "403 Forbidden: no") {
		t.Errorf("got %v, want the API server's words", err)
	}
}
