package probe_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/doctor/probe"
	"github.com/podcullis/podcullis/test/controlplane"
)

// Where no pod ever starts, nothing is said about the network, and nothing is left: neither when
// time runs out, nor when somebody has enough of it, nor where not everything may be made.
func TestNothingIsLeft(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{})
	admin, err := kubernetes.NewForConfig(plane.REST())
	if err != nil {
		t.Fatal(err)
	}
	left := func(ctx context.Context) (n int, err error) {
		o := metav1.ListOptions{LabelSelector: probe.Label}
		pods, err1 := admin.CoreV1().Pods("default").List(ctx, o)
		jobs, err2 := admin.BatchV1().Jobs("default").List(ctx, o)
		netpols, err3 := admin.NetworkingV1().NetworkPolicies("default").List(ctx, o)
		if err := errors.Join(err1, err2, err3); err != nil {
			return 0, err
		}
		return len(pods.Items) + len(jobs.Items) + len(netpols.Items), nil
	}
	nothing := func(t *testing.T) {
		t.Helper()
		if n, err := left(t.Context()); n > 0 || err != nil {
			t.Errorf("%d objects are left: %v", n, err)
		}
	}
	t.Run("TimeIsOver", func(t *testing.T) {
		_, err := probe.Run(t.Context(), probe.Options{Client: admin, Namespace: "default", Image: "example.test/podcullis-webhook:1", Timeout: 3 * time.Second})
		if err == nil || !strings.Contains(err.Error(), "not done after 3s") {
			t.Errorf("got %v", err)
		}
		nothing(t)
	})
	t.Run("Interrupted", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := probe.Run(ctx, probe.Options{Client: admin, Namespace: "default", Image: "example.test/podcullis-webhook:1"})
			done <- err
		}()
		await, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := controlplane.Await(await, "NetworkPolicies, a Job and its pod", func(ctx context.Context) error {
			if n, err := left(ctx); n < 4 || err != nil {
				return fmt.Errorf("%d objects: %w", n, errors.Join(err, errors.New("too few")))
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		nothing(t)
	})
	t.Run("NoRights", func(t *testing.T) {
		config, err := plane.UserREST("nobody")
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = probe.Run(t.Context(), probe.Options{Client: client, Namespace: "default", Image: "i"})
		if err == nil || !strings.Contains(err.Error(), "create NetworkPolicy default/podcullis-probe-") || !strings.Contains(err.Error(), "forbidden") || strings.Contains(err.Error(), "clean up") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("NoSuchNamespace", func(t *testing.T) {
		_, err := probe.Run(t.Context(), probe.Options{Client: admin, Namespace: "nowhere", Image: "i"})
		if err == nil || !strings.Contains(err.Error(), `namespaces "nowhere" not found`) {
			t.Errorf("got %v", err)
		}
	})
}
