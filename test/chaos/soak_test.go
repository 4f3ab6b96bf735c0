package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/test/server"
)

// What a replica holds at a moment.
var gauges = map[string]*regexp.Regexp{
	"goroutines": regexp.MustCompile(`(?m)^go_goroutines (\S+)$`),
	// The heap's goal is about twice what lived through the last collection.
	"in flight":     regexp.MustCompile(`(?m)^podcullis_admission_in_flight (\S+)$`),
	"last reload":   regexp.MustCompile(`(?m)^podcullis_last_reload_successful (\S+)$`),
	"heap":          regexp.MustCompile(`(?m)^go_memstats_next_gc_bytes (\S+)$`),
	"dropped lines": regexp.MustCompile(`(?m)^podcullis_log_lines_dropped_total (\S+)$`),
}

func (r *replica) gauge(ctx context.Context, name string) (float64, error) {
	text, err := server.Get(ctx, "http://"+r.metrics+"/metrics")
	if err != nil {
		return 0, err
	}
	m := gauges[name].FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("no %s in the metrics", gauges[name])
	}
	return strconv.ParseFloat(m[1], 64)
}

// An hour of a million reviews, while the cluster moves: no answer changes, and
// nothing is left behind.
func TestSoakLeavesNothingBehind(t *testing.T) {
	c := start(t)
	certs, _ := certificates(t)
	r := c.launch(t, replicaOptions{certs: certs})
	caller := newCaller(t)
	asked := netpols()
	reviews := make([][]byte, len(asked))
	allowed := make([]bool, len(asked))
	for i, netpol := range asked {
		reviews[i] = review(t, netpol)
		said, err := caller.ask(t.Context(), r, reviews[i])
		if err != nil || said.status != http.StatusOK {
			t.Fatalf("%v, %v", said, err)
		}
		allowed[i] = said.allowed
	}

	total, spell := int64(size(6_000, 1_000_000)), time.Duration(size(10, 3600))*time.Second
	const workers = 8
	load := &load{stop: make(chan struct{})}
	t.Cleanup(func() { load.end() })
	var next atomic.Int64
	due := spell / time.Duration(total) // of one review after the other
	began := time.Now()
	for range workers {
		load.workers.Go(func() {
			for {
				n := next.Add(1)
				if n > total {
					return
				}
				select {
				case <-load.stop:
					return
				case <-time.After(time.Until(began.Add(time.Duration(n) * due))):
				}
				load.ask(func() (answer, error) {
					i := int(n) % len(asked)
					said, err := caller.ask(t.Context(), r, reviews[i])
					switch {
					case err != nil || said.status != http.StatusOK:
						return lost, fmt.Errorf("%s: %v, %w", asked[i].Name, said, err)
					case said.allowed != allowed[i]:
						return wrong, fmt.Errorf("%s: allowed %v at first: %v", asked[i].Name, allowed[i], said)
					}
					return right, nil
				})
			}
		})
	}
	stop := make(chan struct{})
	var moving sync.WaitGroup
	moves := 0
	moving.Go(func() { moves = c.churn(t, stop) })

	// The first tenth warms up; what follows is compared, its first fifth with its last.
	samples := map[string][]float64{}
	for load.asked.Load() < total {
		pause(t, spell/200)
		if load.asked.Load() < total/10 {
			continue
		}
		for _, name := range []string{"goroutines", "heap"} {
			value, err := r.gauge(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			samples[name] = append(samples[name], value)
		}
	}
	took := time.Since(began)
	close(stop)
	moving.Wait()
	r.alive(t)
	growth := map[string]float64{}
	for name, all := range samples {
		fifth := max(1, len(all)/5)
		growth[name] = 100 * (median(all[len(all)-fifth:])/median(all[:fifth]) - 1)
		if *scale > 0 && growth[name] > 5 {
			t.Errorf("%s grew by %.1f %%", name, growth[name])
		}
	}
	load.clean(t, "soak", fmt.Sprintf("%s of one replica, %d objects come and go meanwhile", took.Round(time.Second), moves),
		fmt.Sprintf("heap %+.1f %%, goroutines %+.1f %%, from the first to the last fifth", growth["heap"], growth["goroutines"]))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// churn makes and deletes namespaces with netpols and pods that have nothing to do
// with the shop, until stop is closed, and says how many objects.
func (c cluster) churn(t *testing.T, stop <-chan struct{}) (moves int) {
	const atOnce = 10 // namespaces, which take long to go
	for round := 0; ; round++ {
		select {
		case <-stop:
			return moves
		case <-time.After(100 * time.Millisecond):
		}
		if round >= atOnce {
			old := fmt.Sprintf("soak-%d", round-atOnce)
			await(t, "namespace "+old+" to be gone", func(ctx context.Context) error {
				_, err := c.client.CoreV1().Namespaces().Get(ctx, old, metav1.GetOptions{})
				switch {
				case apierrors.IsNotFound(err):
					return nil
				case err == nil:
					return errors.New("still there")
				}
				return err
			})
		}
		name := fmt.Sprintf("soak-%d", round)
		if err := c.CreateNamespace(t.Context(), name, map[string]string{"round": strconv.Itoa(round)}); err != nil {
			t.Errorf("create namespace %s: %v", name, err)
			return moves
		}
		for i := range 3 {
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i), Labels: map[string]string{"app": fmt.Sprintf("a%d", round), "i": strconv.Itoa(i)}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.test/c"}}, TerminationGracePeriodSeconds: new(int64)},
			}
			if _, err := c.client.CoreV1().Pods(name).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
				t.Errorf("create pod %s/%s: %v", name, pod.Name, err)
			}
		}
		netpol := opening("n", nil)
		netpol.Namespace = name
		if _, err := c.client.NetworkingV1().NetworkPolicies(name).Create(t.Context(), netpol, metav1.CreateOptions{}); err != nil {
			t.Errorf("create netpol in %s: %v", name, err)
		}
		if err := c.client.CoreV1().Namespaces().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete namespace %s: %v", name, err)
		}
		moves += 5
	}
}
