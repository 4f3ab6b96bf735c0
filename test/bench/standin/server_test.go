package standin_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/live"
	"github.com/podcullis/podcullis/test/bench/standin"
	"github.com/podcullis/podcullis/test/bench/town"
)

// TestModelFollowsTheStandIn runs the real reflectors against it.
func TestModelFollowsTheStandIn(t *testing.T) {
	plan := town.Plan{Seed: 1, Pods: 100, Namespaces: 5, Netpols: 20}
	api := standin.New()
	for o := range plan.Objects() {
		if err := api.Put(o); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(api)
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	direct, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	source, err := live.NewSource(config)
	if err != nil {
		t.Fatal(err)
	}
	probe, err := live.NewProbe(config)
	if err != nil {
		t.Fatal(err)
	}
	discovery, err := live.NewDiscovery(config)
	if err != nil {
		t.Fatal(err)
	}
	model := live.New(source, live.Options{Reader: direct, Discovery: discovery, Probe: probe})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- model.Start(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	within, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	if !model.WaitFor(within, func(s *cluster.Snapshot) bool { return pods(s) == plan.Pods }) {
		t.Fatalf("%d pods listed, want %d", pods(model.Snapshot()), plan.Pods)
	}
	for i := range 300 {
		p := &corev1.Pod{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: fmt.Sprintf("new-%d", i)},
		}
		if err := api.Put(p); err != nil {
			t.Fatal(err)
		}
	}
	if !model.WaitFor(within, func(s *cluster.Snapshot) bool { return pods(s) == plan.Pods+300 }) {
		t.Errorf("%d pods followed, want %d", pods(model.Snapshot()), plan.Pods+300)
	}
}

// TestAWatchEndsInGoodOrder: that nothing has happened is told by the end of a
// watch of a second (see live.NewProbe), and that something has by its event.
func TestAWatchEndsInGoodOrder(t *testing.T) {
	api := standin.New()
	for _, name := range []string{"first", "second"} {
		ns := &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := api.Put(ns); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(api)
	defer server.Close()
	probe, err := live.NewProbe(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	namespaces := corev1.SchemeGroupVersion.WithResource("namespaces")
	if newest, err := probe(t.Context(), namespaces, "2"); err != nil || newest != "3" {
		t.Errorf("since the first namespace: %q, %v; want the version of the second, 3", newest, err)
	}
	if newest, err := probe(t.Context(), namespaces, "3"); err != nil || newest != "" {
		t.Errorf("since the second namespace: %q, %v; want nothing", newest, err)
	}
}

func pods(s *cluster.Snapshot) int {
	var n int
	for ns := range s.Namespaces() {
		n += s.Pods(ns.Name)
	}
	return n
}
