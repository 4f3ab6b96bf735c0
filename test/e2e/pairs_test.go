package e2e

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var rounds = flag.Int("rounds", 10, "how often each pair of changes is fired together")

// raceConfig forbids one path, from one namespace to another.
const raceConfig = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
exclude: {namespaces: [kube-system]}
guardrails:
- name: no-path
  guardrail: forbidden-paths
  action: deny
  parameters:
    from: {podSelector: {matchLabels: {tier: frontend}}}
    to: {podSelector: {matchLabels: {app: db}}}
`

// raceGate is what gates of these tests have in common.
func raceGate(t *testing.T) gateOptions {
	t.Helper()
	config := filepath.Join(t.TempDir(), "guardrails.yaml")
	if err := os.WriteFile(config, []byte(raceConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	return gateOptions{args: []string{"--config", config}}
}

// pair is two changes, each harmless alone, that open the path together.
type pair struct {
	name         string
	prepare      func(r *race) // before each round
	one, other   func(ctx context.Context, r *race) error
	undo         func(r *race)
	before, over func(r *race) // all rounds
}

// race is the stage of the pairs: a database in one namespace, a front end in another.
type race struct {
	cluster
	t     *testing.T
	round int
}

func (c cluster) race(t *testing.T) *race {
	t.Helper()
	c.namespace(t, "race-shop")
	c.namespace(t, "race-web")
	r := &race{cluster: c, t: t}
	r.must(c.client.NetworkingV1().NetworkPolicies("race-shop").Create(t.Context(), decodeNetpol(t, `
metadata: {name: db, namespace: race-shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}`), metav1.CreateOptions{}))
	r.pod("race-shop", "db", map[string]string{"app": "db"})
	r.pod("race-web", "front", map[string]string{"tier": "frontend"})
	return r
}

func (r *race) must(_ any, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *race) pod(namespace, name string, labels map[string]string) {
	r.t.Helper()
	r.must(r.client.CoreV1().Pods(namespace).Create(r.t.Context(), racePod(namespace, name, labels), metav1.CreateOptions{}))
}

func racePod(namespace, name string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.test/c"}}},
	}
}

func (r *race) netpol(ctx context.Context, namespace, name, spec string) error {
	n := decodeNetpol(r.t, "metadata: {name: "+name+", namespace: "+namespace+"}\nspec: "+spec)
	_, err := r.client.NetworkingV1().NetworkPolicies(namespace).Create(ctx, n, metav1.CreateOptions{})
	return err
}

func (r *race) label(ctx context.Context, pod, labels string) error {
	_, err := r.client.CoreV1().Pods("race-web").Patch(ctx, pod, types.MergePatchType, []byte(`{"metadata":{"labels":`+labels+`}}`), metav1.PatchOptions{})
	return err
}

func (r *race) labelNamespace(ctx context.Context, labels string) error {
	_, err := r.client.CoreV1().Namespaces().Patch(ctx, "race-web", types.MergePatchType, []byte(`{"metadata":{"labels":`+labels+`}}`), metav1.PatchOptions{})
	return err
}

// insist tries until it is done: between two rounds a replica may be away.
func (r *race) insist(do func(context.Context) error) {
	r.t.Helper()
	await(r.t, "the stage to be as it was", do)
}

// gone deletes a netpol, if it is there.
func (r *race) gone(namespace, name string) {
	r.t.Helper()
	r.insist(func(ctx context.Context) error {
		return ignoreNotFound(r.client.NetworkingV1().NetworkPolicies(namespace).Delete(ctx, name, metav1.DeleteOptions{}))
	})
}

// podGone deletes a pod, if it is there.
func (r *race) podGone(name string) {
	r.t.Helper()
	now := int64(0)
	r.insist(func(ctx context.Context) error {
		return ignoreNotFound(r.client.CoreV1().Pods("race-web").Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now}))
	})
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

const (
	allowLabel     = `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {access: db}}}]}]}`
	allowNamespace = `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {trusted: "yes"}}}]}]}`
	allowAnybody   = `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}]}]}`
	egressToDB     = `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}]}]}`
	noEgress       = `{podSelector: {}, policyTypes: [Egress]}`
)

func allow(spec string) func(context.Context, *race) error {
	return func(ctx context.Context, r *race) error { return r.netpol(ctx, "race-shop", "allow", spec) }
}

var pairs = []pair{
	{
		name: "ALabelAndANetpol", one: allow(allowLabel),
		other: func(ctx context.Context, r *race) error { return r.label(ctx, "front", `{"access":"db"}`) },
		undo: func(r *race) {
			r.gone("race-shop", "allow")
			r.insist(func(ctx context.Context) error { return r.label(ctx, "front", `{"access":null}`) })
		},
	},
	{
		name: "ANamespacesLabelAndANetpol", one: allow(allowNamespace),
		other: func(ctx context.Context, r *race) error { return r.labelNamespace(ctx, `{"trusted":"yes"}`) },
		undo: func(r *race) {
			r.gone("race-shop", "allow")
			r.insist(func(ctx context.Context) error { return r.labelNamespace(ctx, `{"trusted":null}`) })
		},
	},
	{
		name: "TwoNetpols", one: allow(allowAnybody),
		other: func(ctx context.Context, r *race) error { return r.netpol(ctx, "race-web", "egress", egressToDB) },
		before: func(r *race) {
			r.insist(func(ctx context.Context) error { return r.netpol(ctx, "race-web", "deny", noEgress) })
		},
		undo: func(r *race) {
			r.gone("race-shop", "allow")
			r.gone("race-web", "egress")
		},
		over: func(r *race) { r.gone("race-web", "deny") },
	},
	{
		name: "ABindingAndANetpol", one: allow(allowLabel),
		prepare: func(r *race) {
			r.insist(func(ctx context.Context) error {
				_, err := r.client.CoreV1().Pods("race-web").Create(ctx, racePod("race-web", r.name("bound"), map[string]string{"tier": "frontend"}), metav1.CreateOptions{})
				return err
			})
		},
		other: func(ctx context.Context, r *race) error {
			return r.client.CoreV1().Pods("race-web").Bind(ctx, &corev1.Binding{
				ObjectMeta: metav1.ObjectMeta{Namespace: "race-web", Name: r.name("bound"), Labels: map[string]string{"access": "db"}},
				Target:     corev1.ObjectReference{Kind: "Node", Name: "nowhere"},
			}, metav1.CreateOptions{})
		},
		undo: func(r *race) {
			r.gone("race-shop", "allow")
			r.podGone(r.name("bound"))
		},
	},
	{
		name: "APodAndANetpol", one: allow(allowLabel),
		other: func(ctx context.Context, r *race) error {
			_, err := r.client.CoreV1().Pods("race-web").Create(ctx, racePod("race-web", r.name("pod"), map[string]string{"tier": "frontend", "access": "db"}), metav1.CreateOptions{})
			return err
		},
		undo: func(r *race) {
			r.gone("race-shop", "allow")
			r.podGone(r.name("pod"))
		},
	},
}

func (r *race) name(prefix string) string { return fmt.Sprintf("%s-%d", prefix, r.round) }

// Two changes, each harmless alone, fired together, must never both get in; and nobody is
// helped by a gate that lets in neither.
func TestPairsThatOpenAPathTogetherAreNeverBothIn(t *testing.T) {
	for _, replicas := range []int{1, 2, 3} {
		t.Run(fmt.Sprintf("%dReplicas", replicas), func(t *testing.T) {
			c := start(t)
			r := c.race(t)
			c.behindOneAddress(t, raceGate(t), replicas)
			for _, p := range pairs {
				t.Run(p.name, func(t *testing.T) {
					r.t = t
					got := r.fire(p)
					if allowed := max(1, *rounds/100); got.none+got.late > allowed {
						t.Errorf("in %d of %d rounds none was in within %s", got.none+got.late, *rounds, soon)
					}
				})
			}
		})
	}
}

// soon is how long it may take until one of a pair is in.
const soon = 3 * time.Second

// fired is what came of the rounds.
type fired struct{ both, one, none, late int }

// fire fires a pair in each round, and fails the test if both were in.
func (r *race) fire(p pair) (got fired) {
	if p.before != nil {
		p.before(r)
	}
	var slowest time.Duration
	for range *rounds {
		r.round++
		if p.prepare != nil {
			p.prepare(r)
		}
		var first, second error
		var took [2]time.Duration
		var shots sync.WaitGroup
		began := time.Now()
		shots.Go(func() { first = p.one(r.t.Context(), r); took[0] = time.Since(began) })
		shots.Go(func() { second = p.other(r.t.Context(), r); took[1] = time.Since(began) })
		shots.Wait()
		in := time.Duration(0)
		switch {
		case first == nil && second == nil:
			got.both++
		case first == nil:
			got.one, in = got.one+1, took[0]
		case second == nil:
			got.one, in = got.one+1, took[1]
		default:
			got.none++
			r.t.Logf("neither is in: %v; %v", first, second)
		}
		slowest = max(slowest, in)
		if in > soon {
			got.late++
		}
		p.undo(r)
	}
	if p.over != nil {
		p.over(r)
	}
	r.t.Logf("%d rounds: %d both in, %d one, %d none, %d later than %s, the slowest after %s", *rounds, got.both, got.one, got.none, got.late, soon, slowest.Round(time.Millisecond))
	if got.both > 0 {
		r.t.Errorf("%d of %d rounds opened the path", got.both, *rounds)
	}
	return got
}

// behindOneAddress starts replicas and registers the address of something that gives each
// connection to another of them, as a Service does.
func (c cluster) behindOneAddress(t *testing.T, options gateOptions, n int) []*gate {
	t.Helper()
	var gates []*gate
	for range n {
		gates = append(gates, c.replica(t, options))
	}
	if n == 1 {
		c.register(t, options, gates[0])
		return gates
	}
	front := *gates[0]
	front.address = spread(t, gates)
	var ca []byte
	for _, g := range gates {
		ca = append(ca, g.ca...)
	}
	front.ca = ca
	c.register(t, options, &front)
	return gates
}

// spread listens, and passes each connection on to the next gate.
func spread(t *testing.T, gates []*gate) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var n atomic.Int64
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", gates[int(n.Add(1)-1)%len(gates)].address)
			if err != nil {
				in.Close()
				continue
			}
			pipe := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				to.Close()
			}
			go pipe(in, out)
			go pipe(out, in)
		}
	}()
	return l.Addr().String()
}
