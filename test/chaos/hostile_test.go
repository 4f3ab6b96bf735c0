package chaos

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/test/server"
)

// alone starts a replica that needs no API server.
func alone(t *testing.T, o replicaOptions) *replica {
	t.Helper()
	o.certs, _ = certificates(t)
	o.manifests = repository(t, "examples", "shop")
	return cluster{}.launch(t, o)
}

// Each kind in its turn attacks from two sides, and bystanders are asked in the calm
// before each attack and for as long as it lasts, so that a machine that is busy with
// something else is so for both.
func TestHostileGuardrailsHarmNobodyElse(t *testing.T) {
	dir, config, namespaces := hostileFiles(t, hostile())
	r := alone(t, replicaOptions{args: []string{"--config", config, "--policy-dir", dir}, env: []string{"GOMEMLIMIT=512MiB"}})
	caller := newCaller(t)
	var wrong atomic.Int64
	bystanders := func(calls int, done <-chan struct{}) (took []time.Duration) {
		for i := 0; ; i++ {
			select {
			case <-done:
				return took
			default:
			}
			if done == nil && i == calls {
				return took
			}
			netpol := both[i%2]
			said, err := caller.ask(t.Context(), r, review(t, netpol))
			if err != nil || said.status != http.StatusOK || said.allowed != (netpol == harmless) {
				wrong.Add(1)
				t.Errorf("bystander %s: %v, %v", netpol.Name, said, err)
			}
			took = append(took, said.took)
		}
	}
	bystanders(size(20, 500), nil) // warm up

	var asked atomic.Int64
	var calm, attacked []time.Duration
	slowest, slowestName := time.Duration(0), ""
	for range size(1, 2) {
		for _, group := range groups(namespaces) {
			before := bystanders(size(20, 500), nil)
			type refusal struct {
				reply
				namespace string
			}
			refusals := make(chan refusal, len(group))
			done := make(chan struct{})
			var attackers sync.WaitGroup
			for _, namespace := range group {
				attackers.Go(func() {
					netpol := harmless.DeepCopy()
					netpol.Namespace = namespace
					said, err := caller.ask(t.Context(), r, review(t, netpol))
					asked.Add(1)
					if err != nil || said.allowed || said.status != http.StatusOK {
						wrong.Add(1)
						t.Errorf("%s: %v, %v", namespace, said, err)
					}
					refusals <- refusal{said, namespace}
				})
			}
			go func() { attackers.Wait(); close(done) }()
			during := bystanders(0, done)
			<-done
			close(refusals)
			worst := refusal{}
			for said := range refusals {
				if said.took > worst.took {
					worst = said
				}
			}
			if worst.took > slowest {
				slowest, slowestName = worst.took, worst.namespace
			}
			// What was refused because it did not end may still be at it.
			await(t, "the evaluations to come to their end", func(ctx context.Context) error {
				n, err := r.gauge(ctx, "in flight")
				if err == nil && n > 0 {
					err = fmt.Errorf("%v in flight", n)
				}
				return err
			})
			calm, attacked = append(calm, before...), append(attacked, during...)
			t.Logf("%s: code %d after %s, memory so far %d MiB; bystanders %s -> %s: %.100q", strings.Join(slices.Compact(slices.Clone(group)), ", "), worst.code,
				worst.took.Round(time.Millisecond), r.peakMemory(t), quantiles(before), quantiles(during), worst.message)
		}
	}
	r.alive(t)
	if slowest > 6*time.Second { // three times what it may take
		t.Errorf("%s was refused after %s", slowestName, slowest)
	}
	ratio := float64(quantile(attacked, 99)) / float64(quantile(calm, 99))
	record(t, row{
		day: "hostile guardrails", injected: fmt.Sprintf("%d kinds, %d evaluations", len(namespaces), asked.Load()), asked: caller.reviews.Load(), wrong: wrong.Load(),
		remark: fmt.Sprintf("each refused, slowest %s (%s); %d bystanders in the calm and %d under attack %s -> %s, p99 %.1f times; peak memory %d MiB", slowest.Round(10*time.Millisecond), slowestName,
			len(calm), len(attacked), quantiles(calm), quantiles(attacked), ratio, r.peakMemory(t)),
	})
}

// Twice as many ask it at once as there are places. From when it is overdue it is not
// evaluated again, and what it holds is one processor's time at most for each.
func TestAGuardrailWithoutEndKeepsNobodyOut(t *testing.T) {
	dir, config, namespaces := hostileFiles(t, endless())
	r := alone(t, replicaOptions{args: []string{"--config", config, "--policy-dir", dir}, env: []string{"GOMEMLIMIT=512MiB"}})
	caller := newCaller(t)
	attack := harmless.DeepCopy()
	attack.Namespace = namespaces[0]
	var wrong atomic.Int64
	ask := func(netpol *networkingv1.NetworkPolicy, allowed bool) reply {
		said, err := caller.ask(t.Context(), r, review(t, netpol))
		if err != nil || said.status != http.StatusOK || said.allowed != allowed {
			wrong.Add(1)
			t.Errorf("%s: %v, %v", netpol.Namespace, said, err)
		}
		return said
	}
	var attackers sync.WaitGroup
	for range 8 * runtime.GOMAXPROCS(0) {
		attackers.Go(func() { ask(attack, false) })
	}
	attackers.Wait()
	var others, refused []time.Duration
	for i := range size(50, 1000) {
		others = append(others, ask(both[i%2], both[i%2] == harmless).took)
		said := ask(attack, false)
		if !strings.Contains(said.message, "endless: not evaluated") {
			t.Fatalf("it was evaluated again: %v", said)
		}
		refused = append(refused, said.took)
	}
	n, err := r.gauge(t.Context(), "in flight")
	if err != nil {
		t.Fatal(err)
	}
	r.alive(t)
	record(t, row{
		day: "guardrail without end", injected: fmt.Sprintf("%d at once, then %d; %v never end", 8*runtime.GOMAXPROCS(0), len(refused), n),
		asked: caller.reviews.Load(), wrong: wrong.Load(),
		remark: fmt.Sprintf("meanwhile others %s, and its own reviews are refused in %s", quantiles(others), quantiles(refused)),
	})
}

// groups says who attacks at the same time: in full each kind twice, alone; in the
// short form a few kinds at once.
func groups(kinds []string) (out [][]string) {
	if *scale == 0 {
		return slices.Collect(slices.Chunk(kinds, 6))
	}
	for _, kind := range kinds {
		out = append(out, []string{kind, kind})
	}
	return out
}

func quantile(took []time.Duration, percent int) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*percent/100]
}

func quantiles(took []time.Duration) string {
	return fmt.Sprintf("p50 %s p99 %s", quantile(took, 50).Round(100*time.Microsecond), quantile(took, 99).Round(100*time.Microsecond))
}

// padded is a netpol of 1.47 MiB in protobuf that is 7.3 MiB in JSON (M6).
func padded(netpol *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	n := netpol.DeepCopy()
	n.Annotations = map[string]string{"padding": strings.Repeat("<", 250_000)}
	peers := make([]networkingv1.NetworkPolicyPeer, 322_000)
	for i := range peers {
		peers[i].PodSelector = &metav1.LabelSelector{}
	}
	n.Spec.Ingress[0].From = peers
	return n
}

// unbounded has objects judged that are larger than anybody's: those over the bounds are
// refused before.
var unbounded = []string{"--netpol-bound", "1000000000"}

// The failurePolicy is Ignore: only a real answer refuses.
func TestPaddingGetsNothingPastIgnore(t *testing.T) {
	c := start(t)
	certs, ca := certificates(t)
	r := c.launch(t, replicaOptions{certs: certs, args: unbounded})
	c.register(t, r.address, ca, admissionregistrationv1.Ignore)
	config := c.REST()
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	api := client.NetworkingV1().NetworkPolicies("shop")
	small, err := api.Create(t.Context(), harmless, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.kubectlAnyway("-n", "shop", "delete", "networkpolicy", harmless.Name) })
	dry := []string{metav1.DryRunAll}
	var asked, in, judged int64
	var said error
	for range size(2, 20) {
		_, created := api.Create(t.Context(), padded(forbidden), metav1.CreateOptions{DryRun: dry})
		update := padded(small)
		_, updated := api.Update(t.Context(), update, metav1.UpdateOptions{DryRun: dry})
		for _, err := range []error{created, updated} {
			asked++
			if said = err; err == nil || !strings.Contains(err.Error(), "denied the request") {
				in++
				t.Errorf("got in, or was not answered: %v", err)
			} else if strings.Contains(err.Error(), "[only-backend-reaches-db]") {
				judged++
			}
		}
	}
	r.alive(t)
	record(t, row{
		day: "padding", injected: "1.5 MiB of protobuf, 7 MiB of JSON, failurePolicy Ignore", asked: asked, wrong: in,
		remark: fmt.Sprintf("CREATE and UPDATE; %d judged in time: %.80q...", judged, fmt.Sprint(said)),
	})
	await(t, "a padded netpol to be judged, and not only refused", func(ctx context.Context) error {
		_, err := api.Create(ctx, padded(forbidden), metav1.CreateOptions{DryRun: dry})
		if err == nil || strings.Contains(err.Error(), "[only-backend-reaches-db]") {
			return nil // what got in is counted above
		}
		return err
	})
}

func TestMemoryUnderLargeReviews(t *testing.T) {
	const limit = 256 // MiB
	r := alone(t, replicaOptions{env: []string{fmt.Sprintf("GOMEMLIMIT=%dMiB", limit)}, args: unbounded})
	caller := newCaller(t)
	body := review(t, padded(forbidden))
	var mu sync.Mutex
	codes := map[string]int{}
	var asked, allowed int64
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			for range size(1, 10) {
				said, err := caller.ask(t.Context(), r, body)
				mu.Lock()
				asked++
				switch {
				case err != nil:
					codes["no answer"]++
				case said.status != http.StatusOK:
					codes[fmt.Sprintf("HTTP %d", said.status)]++
				case said.allowed:
					allowed++
				default:
					codes[fmt.Sprintf("denied %d", said.code)]++
				}
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	r.alive(t)
	if peak := r.peakMemory(t); peak > limit*3/2 {
		t.Errorf("%d MiB in memory with GOMEMLIMIT %d MiB", peak, limit)
	}
	said, err := caller.ask(t.Context(), r, review(t, harmless))
	if err != nil || !said.allowed {
		t.Errorf("after it: %v, %v", said, err)
	}
	record(t, row{
		day: "memory pressure", injected: fmt.Sprintf("50 callers at once with reviews of %.1f MiB, GOMEMLIMIT %d MiB", float64(len(body))/(1<<20), limit), asked: asked, wrong: allowed, lost: int64(codes["no answer"]),
		remark: fmt.Sprintf("%v; peak memory %d MiB", codes, r.peakMemory(t)),
	})
	// On a machine that is short of CPU all of them may have been refused for want of time.
	await(t, "a large review to be judged, and not only refused", func(ctx context.Context) error {
		said, err := caller.ask(ctx, r, body)
		if err == nil && said.code != http.StatusForbidden {
			err = errors.New(said.String())
		}
		return err
	})
	if allowed > 0 || codes["no answer"] > 0 {
		t.Errorf("%d allowed, answers %v", allowed, codes)
	}
}

// places is how many connections a replica has at once.
const places = 512

// Callers that are silent, that stop in the middle of the handshake, of the
// header or of the body, while the API server works.
func TestSlowCallersKeepNobodyOut(t *testing.T) {
	c := start(t)
	s := c.serve(t, 1, replicaOptions{})
	slow := size(300, 1_000)
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for i := range slow {
		callers.Go(func() {
			for first := true; ; first = false {
				if !first {
					select {
					case <-stop:
						return
					case <-time.After(50 * time.Millisecond):
					}
				}
				s.dawdle(t, i, stop)
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	load := c.load(t, 8, 0)
	for left := size(1_500, 10_000); left > 0; left -= 2_500 { // each part in its own time
		load.passed(t, int64(min(left, 2_500)))
	}
	load.end()
	close(stop)
	callers.Wait()
	s.replicas[0].alive(t)
	injected := fmt.Sprintf("%d at a time: silent, in the handshake, in the header, a tenth in the body", slow)
	if slow < places {
		load.clean(t, "slow callers", injected, "")
		return
	}
	// More than there is room for: whoever takes long over its greeting goes, and on a
	// starved machine that may be the API server. It is counted and not asserted.
	record(t, load.row("slow callers", injected, fmt.Sprintf("more than the %d places", places)))
	if load.wrong.Load() > 0 {
		t.Errorf("%d wrong: %v", load.wrong.Load(), load.failures)
	}
}

// dawdle is one slow caller, until it is thrown out or stop is closed.
func (s *service) dawdle(t *testing.T, kind int, stop <-chan struct{}) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", s.replicas[0].address)
	if err != nil {
		return
	}
	defer conn.Close()
	secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it only wants to be in the way
	begin := ""
	switch {
	case kind%10 == 0:
		begin = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"
	case kind%3 == 0:
		begin = "POST /validate HTTP/1.1\r\nHost: x\r\nX-Slow: "
	}
	if begin != "" {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := secured.HandshakeContext(ctx)
		cancel()
		if err != nil {
			return
		}
		if _, err := secured.Write([]byte(begin)); err != nil {
			return
		}
	} else if kind%3 == 1 {
		if _, err := conn.Write([]byte{0x16, 0x03, 0x01}); err != nil {
			return
		}
	}
	gone := make(chan struct{})
	go func() { _, _ = conn.Read(make([]byte, 1)); close(gone) }()
	select {
	case <-gone:
	case <-stop:
	case <-time.After(10 * time.Second):
	}
	_ = conn.Close()
	<-gone
}

// Whatever comes in, nothing is allowed but a review, and the server stays.
func TestGarbageIsNeverAllowed(t *testing.T) {
	r := alone(t, replicaOptions{})
	caller := newCaller(t)
	forbiddenReview := review(t, forbidden)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a seed makes it repeatable
	var asked, allowed int64
	codes := map[int]int{}
	for range size(2_000, 100_000) {
		body := slices.Clone(forbiddenReview)
		switch random.IntN(4) {
		case 0: // bytes
			body = make([]byte, random.IntN(2_000))
			for i := range body {
				body[i] = byte(random.IntN(256))
			}
		case 1: // broken off
			body = body[:random.IntN(len(body))]
		case 2: // some bytes are others
			for range 1 + random.IntN(8) {
				body[random.IntN(len(body))] = byte(random.IntN(256))
			}
		case 3: // a piece twice
			from := random.IntN(len(body))
			to := from + random.IntN(len(body)-from)
			body = slices.Insert(body, to, body[from:to]...)
		}
		said, err := caller.ask(t.Context(), r, body)
		if err != nil {
			t.Fatal(err)
		}
		asked++
		codes[said.status]++
		if said.allowed && stillForbidden(body) {
			allowed++
			t.Errorf("allowed: %s", body)
		}
	}
	r.alive(t)
	if text, err := server.Get(t.Context(), "http://"+r.metrics+"/metrics"); err != nil || !strings.Contains(text, "\npodcullis_panics_total 0\n") {
		t.Errorf("panics, or no metrics: %v", err)
	}
	record(t, row{day: "garbage", injected: "random bytes, and mutations of a forbidden review", asked: asked, wrong: allowed, remark: fmt.Sprintf("HTTP statuses %v, no panic", codes)})
}

// stillForbidden says whether the body is a review of the same question: a
// mutation may have made another, harmless one of it.
func stillForbidden(body []byte) bool {
	var mutated struct {
		Request struct {
			Kind   metav1.GroupVersionKind
			Object any
		}
	}
	if json.Unmarshal(body, &mutated) != nil {
		return true // not even JSON
	}
	raw, err := json.Marshal(mutated.Request.Object)
	if err != nil {
		return true
	}
	var n networkingv1.NetworkPolicy
	if json.Unmarshal(raw, &n) != nil {
		return true
	}
	kind := metav1.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}
	return mutated.Request.Kind == kind && n.Namespace == "shop" && equalSpecs(n.Spec, forbidden.Spec)
}

func equalSpecs(a, b networkingv1.NetworkPolicySpec) bool {
	left, err := json.Marshal(a)
	right, err2 := json.Marshal(b)
	return err == nil && err2 == nil && string(left) == string(right)
}
