package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// apps are the shop's and one that it does not have.
var apps = []string{"db", "backend", "frontend", "analytics", "logging", "nobody"}

// netpols are of all sorts; nobody knows beforehand which are refused.
func netpols() []*networkingv1.NetworkPolicy {
	selector := func(app string) metav1.LabelSelector {
		if app == "" {
			return metav1.LabelSelector{}
		}
		return metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
	var out []*networkingv1.NetworkPolicy
	for _, subject := range append([]string{""}, apps...) {
		for _, peer := range append([]string{"", "all"}, apps...) {
			for _, port := range []int32{0, 5432, 80} {
				for _, direction := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
					var peers []networkingv1.NetworkPolicyPeer
					if peer != "all" {
						peers = []networkingv1.NetworkPolicyPeer{{PodSelector: ptr(selector(peer))}}
					}
					var ports []networkingv1.NetworkPolicyPort
					if port != 0 {
						ports = []networkingv1.NetworkPolicyPort{{Port: ptr(intstr.FromInt32(port))}}
					}
					n := &networkingv1.NetworkPolicy{
						ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("question-%d", len(out)), Namespace: "shop"},
						Spec:       networkingv1.NetworkPolicySpec{PodSelector: selector(subject), PolicyTypes: []networkingv1.PolicyType{direction}},
					}
					if direction == networkingv1.PolicyTypeIngress {
						n.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: peers, Ports: ports}}
					} else {
						n.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: peers, Ports: ports}}
					}
					out = append(out, n)
				}
			}
		}
	}
	return out
}

// question is a change through some door, as a dry run.
type question struct {
	name   string
	denies func(context.Context) (bool, error)

	admitted, denied atomic.Int64
}

// reviews are the netpols as the API server would send them, asked of whoever is
// behind the address.
func reviews(t *testing.T, address string) (out []*question) {
	t.Helper()
	caller, behind := newCaller(t), &replica{address: address}
	for _, n := range netpols() {
		body := review(t, n)
		out = append(out, &question{name: "review of " + n.Name, denies: func(ctx context.Context) (bool, error) {
			said, err := caller.ask(ctx, behind, body)
			if err == nil && (said.status != http.StatusOK || !said.allowed && said.code != http.StatusForbidden) {
				err = errors.New(said.String())
			}
			return !said.allowed, err
		}})
	}
	return out
}

// questions go through the API server: the netpols, and changes through the other doors.
func (c cluster) questions(t *testing.T) (out []*question) {
	t.Helper()
	dry := []string{metav1.DryRunAll}
	add := func(name string, ask func(context.Context) error) {
		out = append(out, &question{name: name, denies: func(ctx context.Context) (bool, error) {
			err := ask(ctx)
			if err != nil && (strings.Contains(err.Error(), "denied the request: 1 guardrail den") || strings.Contains(err.Error(), "denied the request: 2 guardrails den")) {
				return true, nil
			}
			return false, err
		}})
	}
	api := c.client.NetworkingV1().NetworkPolicies("shop")
	for _, n := range netpols() {
		add("create "+n.Name, func(ctx context.Context) error {
			_, err := api.Create(ctx, n.DeepCopy(), metav1.CreateOptions{DryRun: dry})
			return err
		})
	}
	there, err := api.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range there.Items {
		add("delete netpol "+n.Name, func(ctx context.Context) error {
			return api.Delete(ctx, n.Name, metav1.DeleteOptions{DryRun: dry})
		})
		add("widen netpol "+n.Name, func(ctx context.Context) error {
			_, err := api.Patch(ctx, n.Name, types.MergePatchType, []byte(`{"spec": {"ingress": [{}], "egress": [{}]}}`), metav1.PatchOptions{DryRun: dry})
			return err
		})
	}
	for _, app := range apps {
		labels := map[string]string{"app": app}
		pod := corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.test/c", Ports: []corev1.ContainerPort{{Name: "postgres", ContainerPort: 5432}}}}}
		add("create pod "+app, func(ctx context.Context) error {
			_, err := c.client.CoreV1().Pods("shop").Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "question", Labels: labels}, Spec: pod}, metav1.CreateOptions{DryRun: dry})
			return err
		})
		add("create deployment "+app, func(ctx context.Context) error {
			_, err := c.client.AppsV1().Deployments("shop").Create(ctx, &appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Name: "question"},
				Spec: appsv1.DeploymentSpec{
					Selector: &metav1.LabelSelector{MatchLabels: labels},
					Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
				},
			}, metav1.CreateOptions{DryRun: dry})
			return err
		})
		add("create namespace "+app, func(ctx context.Context) error {
			_, err := c.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "question-" + app, Labels: labels}}, metav1.CreateOptions{DryRun: dry})
			return err
		})
	}
	return out
}

// try asks once. An answer is counted, and is right until it is judged again.
func (q *question) try(ctx context.Context) (answer, error) {
	switch denied, err := q.denies(ctx); {
	case err != nil:
		return lost, fmt.Errorf("%s: %w", q.name, err)
	case denied:
		q.denied.Add(1)
	default:
		q.admitted.Add(1)
	}
	return right, nil
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

	// Most are sent as reviews, as an API server takes more time than all else. That goes
	// to the same Service, and connections are kept and used again as the API server does it.
	asked, direct := c.questions(t), reviews(t, s.address())
	load := &load{stop: make(chan struct{})}
	t.Cleanup(func() { load.end() })
	var through atomic.Int64 // the API server
	ask := func(workers int, questions []*question, count *atomic.Int64) {
		for range workers {
			load.workers.Go(func() {
				for {
					select {
					case <-load.stop:
						return
					default:
					}
					q := questions[rand.IntN(len(questions))] //nolint:gosec // any will do
					load.ask(func() (answer, error) { return q.try(t.Context()) })
					count.Add(1)
				}
			})
		}
	}
	ask(size(4, 8), asked, &through)
	ask(size(4, 16), direct, new(atomic.Int64))
	stop := make(chan struct{})
	var others sync.WaitGroup
	var reloads, leaves int
	every := 300 * time.Millisecond
	if *scale > 0 { // compiling would take most of the time of a long run
		every = 3 * time.Second
	}
	others.Go(func() {
		for {
			select {
			case <-stop:
				replace(string(good))
				return
			case <-time.After(every):
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
	for total := int64(size(1_500, 1_000_000)); load.asked.Load() < total; restarts++ {
		s.restart(t)
		load.passed(t, min(5_000, total/3))
	}
	close(stop)
	others.Wait()
	load.end()

	// The same through the same door, and behind it a process that nothing happens to.
	judge := c.launch(t, replicaOptions{certs: certs})
	for _, r := range s.replicas {
		s.remove(r.address)
	}
	s.cut()
	s.add(judge.address)
	var denied int64
	for _, q := range append(asked, direct...) {
		var denies bool
		await(t, "an answer to "+q.name, func(ctx context.Context) (err error) { // connections were cut a moment ago
			denies, err = q.denies(ctx)
			return err
		})
		differing := q.denied.Load()
		if denies {
			differing = q.admitted.Load()
			denied += q.denied.Load()
		}
		if differing > 0 {
			load.wrong.Add(differing)
			t.Errorf("%s: %d times admitted, %d times denied; denied at rest: %v", q.name, q.admitted.Load(), q.denied.Load(), denies)
		}
	}
	load.clean(t, "everything at once", fmt.Sprintf("%d restarts, %d reloads, %d leaves", restarts, reloads, leaves),
		fmt.Sprintf("%d through an API server, %d different questions through six doors; the others reviews of netpols, sent to the Service; %d answers were denials; all judged again at rest",
			through.Load(), len(asked), denied))
}
