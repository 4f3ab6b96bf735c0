package live

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	metadatafake "k8s.io/client-go/metadata/fake"
)

func seen(name, version string) *corev1.Pod {
	p := pod(name, version, "web")
	p.UID = types.UID(name)
	return p
}

func stored(pairs ...string) map[types.NamespacedName]uint64 {
	out := map[types.NamespacedName]uint64{}
	for i := 0; i < len(pairs); i += 2 {
		out[types.NamespacedName{Namespace: "shop", Name: pairs[i]}] = versionOf(pairs[i+1])
	}
	return out
}

// TestAQuietResourceIsAsFarAsWhatIsStored: where the watch has told of all that there is,
// the snapshot is as new as the list; of anything else nothing is said.
func TestAQuietResourceIsAsFarAsWhatIsStored(t *testing.T) {
	tests := map[string]struct {
		stored  map[types.NamespacedName]uint64
		version string
		ok      bool
	}{
		"TheSame":          {stored("a", "3", "b", "4"), "9", true},
		"OneIsNewer":       {stored("a", "3", "b", "8"), "9", false},
		"OneIsOlder":       {stored("a", "3", "b", "2"), "9", false},
		"OneMore":          {stored("a", "3", "b", "4", "c", "8"), "9", false},
		"OneLess":          {stored("a", "3"), "9", false},
		"AnotherName":      {stored("a", "3", "c", "4"), "9", false},
		"NoVersion":        {stored("a", "3", "b", "4"), "", false},
		"VersionsOfNobody": {stored("a", "3", "b", "x"), "9", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(nil, Options{Observer: &diary{}})
			f := m.feeds["pods"]
			if err := f.Replace([]any{seen("a", "3"), seen("b", "4")}, "5"); err != nil {
				t.Fatal(err)
			}
			m.queue.take()
			if err := f.catchUp(tt.stored, tt.version); (err == nil) != tt.ok || (err != nil && !errors.Is(err, ErrBehind)) {
				t.Errorf("got %v", err)
			}
			want := map[bool]string{true: "9"}[tt.ok]
			if got := m.queue.take().reached["pods"]; got != want {
				t.Errorf("reached %q, want %q", got, want)
			}
		})
	}
}

// TestWhatTheWatchTellsLateIsHistory: an object that came and went in between does not
// come back into a snapshot that is newer.
func TestWhatTheWatchTellsLateIsHistory(t *testing.T) {
	m := New(nil, Options{Observer: &diary{}})
	f := m.feeds["pods"]
	if err := f.Replace([]any{seen("a", "3")}, "5"); err != nil {
		t.Fatal(err)
	}
	if err := f.catchUp(stored("a", "3"), "9"); err != nil {
		t.Fatal(err)
	}
	m.queue.take()
	for _, late := range []error{f.Add(seen("x", "6")), f.Delete(seen("x", "7"))} {
		if late != nil {
			t.Fatal(late)
		}
	}
	f.UpdateResourceVersion("7")
	if b := m.queue.take(); len(b.events) != 0 || len(b.reached) != 0 {
		t.Errorf("history is told: %+v", b)
	}
	if err := f.Add(seen("y", "10")); err != nil {
		t.Fatal(err)
	}
	f.UpdateResourceVersion("10")
	if b := m.queue.take(); len(b.events) != 1 || b.reached["pods"] != "10" {
		t.Errorf("got %+v", b)
	}
	if err := f.Replace(nil, "2"); err != nil { // the API server was restored
		t.Fatal(err)
	}
	m.queue.take()
	if err := f.Add(seen("z", "4")); err != nil {
		t.Fatal(err)
	}
	if b := m.queue.take(); len(b.events) != 1 {
		t.Errorf("after a list nothing is history: %+v", b)
	}
}

func TestCatchUpAsksTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scheme := metadatafake.NewTestScheme()
		if err := metav1.AddMetaToScheme(scheme); err != nil {
			t.Fatal(err)
		}
		there := &metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", ResourceVersion: "2"},
		}
		client := metadatafake.NewSimpleMetadataClient(scheme, []runtime.Object{there}...)
		d := &diary{}
		f := start(t, Options{Observer: d, Metadata: client})
		d.model = f.Model
		if err := f.CatchUp(t.Context(), "pods"); !errors.Is(err, ErrBehind) {
			t.Errorf("before it is synced: %v", err)
		}
		f.kind("Pod").Add(seen("a", "7"))
		f.listed()
		synctest.Wait()
		if err := f.CatchUp(t.Context(), "nodes"); !errors.Is(err, errNotFollowed) {
			t.Errorf("a resource that nobody follows: %v", err)
		}
		synctest.Wait()
		d.lines = nil
		if err := f.CatchUp(t.Context(), "pods"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(d.lines) != 1 || !strings.HasPrefix(d.lines[0], "pods until ") {
			t.Errorf("told %q", d.lines)
		}
		if err := client.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace("shop").Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := f.CatchUp(t.Context(), "pods"); !errors.Is(err, ErrBehind) {
			t.Errorf("after a deletion that the watch did not tell of: %v", err)
		}
	})
}
