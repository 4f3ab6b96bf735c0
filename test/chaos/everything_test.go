package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// questions are netpols of all sorts; nobody knows the right answer beforehand.
func questions() []*networkingv1.NetworkPolicy {
	apps := []string{"", "db", "backend", "frontend", "analytics", "logging", "nobody"}
	selector := func(app string) metav1.LabelSelector {
		if app == "" {
			return metav1.LabelSelector{}
		}
		return metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
	var out []*networkingv1.NetworkPolicy
	for _, to := range apps {
		for _, from := range append(apps, "all") {
			for _, port := range []int32{0, 5432, 80} {
				rule := networkingv1.NetworkPolicyIngressRule{}
				if from != "all" {
					rule.From = []networkingv1.NetworkPolicyPeer{{PodSelector: ptr(selector(from))}}
				}
				if port != 0 {
					rule.Ports = []networkingv1.NetworkPolicyPort{{Port: ptr(intstr.FromInt32(port))}}
				}
				out = append(out, &networkingv1.NetworkPolicy{
					ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("question-%d", len(out)), Namespace: "shop"},
					Spec: networkingv1.NetworkPolicySpec{
						PodSelector: selector(to), PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
						Ingress: []networkingv1.NetworkPolicyIngressRule{rule},
					},
				})
			}
		}
	}
	return out
}

// Restarts, reloads and new certificates, all at once. What was answered is written down, and judged again afterwards by a
// process that nothing happens to.
func TestEverythingAtOnce(t *testing.T) {
	c := start(t)
	good, err := os.ReadFile(repository(t, "examples", "shop-guardrails.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "guardrails.yaml")
	replace := func(text string) { // at once, as kubelet does it
		if err := errors.Join(os.WriteFile(config+".new", []byte(text), 0o600), os.Rename(config+".new", config)); err != nil {
			t.Error(err)
		}
	}
	replace(string(good))
	ca := newAuthority(t)
	certs := t.TempDir()
	ca.write(t, certs)
	s := c.serve(t, 2, replicaOptions{certs: certs, args: []string{"--config", config, "--reload-period", "200ms"}, ca: ca.bundle()})

	asked := questions()
	type answers struct{ admitted, denied atomic.Int64 }
	log := make([]answers, len(asked))
	load := &load{stop: make(chan struct{})}
	t.Cleanup(func() { load.end() })
	for range size(8, 16) {
		load.workers.Go(func() {
			for {
				select {
				case <-load.stop:
					return
				default:
				}
				i := rand.IntN(len(asked)) //nolint:gosec // any will do
				load.ask(func() (answer, error) {
					_, err := c.client.NetworkingV1().NetworkPolicies("shop").Create(t.Context(), asked[i], metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
					switch {
					case err == nil:
						log[i].admitted.Add(1)
					case strings.Contains(err.Error(), "denied the request: 1 guardrail den"), strings.Contains(err.Error(), "denied the request: 2 guardrails den"):
						log[i].denied.Add(1)
					default:
						return lost, err
					}
					return right, nil // until it is judged again
				})
			}
		})
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	var reloads, leaves int
	others.Go(func() {
		for {
			select {
			case <-stop:
				replace(string(good))
				return
			case <-time.After(300 * time.Millisecond):
			}
			reloads++
			replace(fmt.Sprintf("%s\n# edition %d\n", good, reloads))
			if reloads%4 == 0 {
				leaves++
				ca.write(t, certs)
			}
		}
	})
	restarts := 0
	for total := int64(size(1_500, 30_000)); load.asked.Load() < total; restarts++ {
		s.restart(t)
		load.passed(t, total/int64(size(3, 20)))
	}
	close(stop)
	others.Wait()
	load.end()

	judge := c.launch(t, replicaOptions{certs: certs})
	caller := newCaller(t)
	var denied int64
	for i, netpol := range asked {
		said, err := caller.ask(t.Context(), judge, review(t, netpol))
		if err != nil || said.status != 200 {
			t.Fatalf("%v, %v", said, err)
		}
		differing := log[i].denied.Load()
		if !said.allowed {
			differing = log[i].admitted.Load()
			denied += log[i].denied.Load()
		}
		if differing > 0 {
			load.wrong.Add(differing)
			t.Errorf("%s: %d times admitted, %d times denied; at rest: %v", netpol.Name, log[i].admitted.Load(), log[i].denied.Load(), said)
		}
	}
	load.clean(t, "everything at once", fmt.Sprintf("%d restarts, %d reloads, %d leaves", restarts, reloads, leaves),
		fmt.Sprintf("%d different questions, %d answers were denials; all judged again at rest", len(asked), denied))
}
