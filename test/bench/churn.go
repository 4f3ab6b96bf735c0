package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/test/bench/load"
	"github.com/podcullis/podcullis/test/bench/town"
)

const (
	changesPerSecond = 200
	reviewsPerSecond = 1000.0 / 3
	movedTier        = "moved" // which no netpol names
)

// churnGuardrails are loaded beside the embedded ones. slow burns as much time as
// a careless guardrail does; census counts, in a denial, the changes that have
// reached the model.
var churnGuardrails = map[string]string{
	"slow.rego": `# METADATA
# title: Slow
# description: It takes its time.
# custom: {severity: low, kinds: [ConfigMap]}
package guardrails.slow

violation contains {"msg": "slow"} if {
	input.request.name == "slow"
	count([x | some x in numbers.range(1, 200000); x % 7 == 0]) < 0
}
`,
	"census.rego": `# METADATA
# title: Census
# description: How many changes have reached the model.
# custom: {severity: low, kinds: [ConfigMap]}
package guardrails.census

violation contains {"msg": sprintf("census: %d", [count(pods) + count(netpols)])} if input.request.name == "census"

pods := [w | some n in cluster.namespaces(); some w in cluster.workloads(n.name); w.labels.tier == "moved"]

netpols := [p | some n in cluster.namespaces(); some p in cluster.netpols(n.name); startswith(p.name, "churn-")]
`,
}

// measureChurn asks for a plain Pod review every 3 ms, first while nothing else
// happens, then while objects change and a slow guardrail runs in a loop.
func (s *sheet) measureChurn(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "podcullis-bench-guardrails")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	config := guardrails + "- {name: slow, guardrail: slow, action: deny}\n- {name: census, guardrail: census, action: deny}\n"
	churnConfig := filepath.Join(dir, "guardrails.yaml")
	if err := os.WriteFile(churnConfig, []byte(config), 0o600); err != nil {
		return err
	}
	for name, text := range churnGuardrails {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	r, err := newReviewer(s.town())
	if err != nil {
		return err
	}
	st, err := setStage(ctx, s.town(), "--config="+churnConfig, "--policy-dir="+dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.strike()) }()
	d := &duel{own: st.webhook}
	for range 500 {
		body, err := r.podCreate()
		if err != nil {
			return err
		}
		d.bodies = append(d.bodies, body)
	}
	slow, err := r.configMap("slow")
	if err != nil {
		return err
	}
	census, err := r.configMap("census")
	if err != nil {
		return err
	}
	if r := load.Closed(ctx, clients, s.phase, d.asking(d.own)); r.Errors > 0 {
		return fmt.Errorf("warm up: %d errors, one of them: %w", r.Errors, r.First)
	}
	duration := s.phase * time.Duration(s.rounds)
	idle := load.Open(ctx, clients, reviewsPerSecond, duration, d.asking(d.own))
	if idle.First != nil {
		return idle.First
	}

	busy := s.churn(ctx, st, d, slow, duration)
	if err := busy.err; err != nil {
		return err
	}
	count, err := counted(ctx, d.own, census)
	if err != nil {
		return err
	}
	how := fmt.Sprintf("open loop for %s, counted from when each review was due; dry runs of a Pod CREATE under default-deny and forbidden-paths; %s", duration, s.town())
	while := fmt.Sprintf("while %d objects a second change (five pods relabelled to one netpol created) and a review of a slow guardrail follows the one before", changesPerSecond)
	ratio := float64(busy.reviews.Latencies.Quantile(0.99)) / float64(idle.Latencies.Quantile(0.99))
	s.put("churn-p99", ratio, len(busy.reviews.Latencies), "%s; %s", while, how)
	s.putLatency("churn-p99-idle", idle.Latencies, 0.99, "%s", how)
	s.putLatency("churn-p99-busy", busy.reviews.Latencies, 0.99, "%s; %s", while, how)
	s.putLatency("churn-slow", busy.slow, 0.5, "one after the other, over HTTPS; a Rego comprehension over 200,000 numbers")
	s.put("churn-applied", 100*float64(count)/float64(busy.changes), busy.changes, "asked of the server itself, through a guardrail that counts, right after the last change was sent")
	return nil
}

// busyTime is what came of a churn.
type busyTime struct {
	reviews load.Result
	slow    load.Latencies
	changes int
	err     error
}

// churn asks for plain reviews while objects change and the slow guardrail runs.
func (s *sheet) churn(ctx context.Context, st *stage, d *duel, slow []byte, duration time.Duration) busyTime {
	var b busyTime
	objects := changing(s.town(), int(changesPerSecond*duration.Seconds()))
	var others sync.WaitGroup
	var changes, slowly load.Result
	others.Go(func() {
		rate := min(changesPerSecond, float64(len(objects))/duration.Seconds())
		changes = load.Open(ctx, 1, rate, duration, func(_ context.Context, n int) error { return st.api.Put(objects[n]) })
	})
	others.Go(func() {
		slowly = load.Closed(ctx, 1, duration, func(ctx context.Context, _ int) error {
			_, err := d.own.review(ctx, slow) // out of time is an answer as well
			return err
		})
	})
	b.reviews = load.Open(ctx, clients, reviewsPerSecond, duration, d.asking(d.own))
	others.Wait()
	b.slow, b.changes = slowly.Latencies, len(changes.Latencies)
	b.err = errors.Join(ctx.Err(), b.reviews.First, changes.First, slowly.First)
	return b
}

// counted asks the server how many changes are in its model.
func counted(ctx context.Context, p *program, census []byte) (int, error) {
	var count int
	var message string
	for range 10 { // on a busy machine it may run out of time
		var err error
		if message, err = p.denial(ctx, census); err != nil {
			return 0, err
		}
		if _, number, found := strings.Cut(message, "census: "); found {
			_, err := fmt.Sscan(number, &count)
			return count, err
		}
	}
	return 0, fmt.Errorf("no census in %q", message)
}

// changing are objects of the town as they will be: each is another one, so that
// every change can be counted. There are fewer where the town is too small.
func changing(p town.Plan, most int) []client.Object {
	var pods, netpols []client.Object
	for o := range p.Objects() {
		switch o := o.(type) {
		case *corev1.Pod:
			if o.Labels[town.TierLabel] != "" && o.Labels[town.TierLabel] != town.Frontend {
				o.Labels = map[string]string{town.TierLabel: movedTier, "pod-template-hash": o.Labels["pod-template-hash"]}
				pods = append(pods, o)
			}
		case *networkingv1.NetworkPolicy:
			o.Name, o.UID = "churn-"+o.Name, o.UID+"c"
			netpols = append(netpols, o)
		}
	}
	random := rand.New(rand.NewPCG(p.Seed, 3<<32)) //nolint:gosec // the same seed has to give the same changes
	shuffle := func(l []client.Object) { random.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] }) }
	shuffle(pods)
	shuffle(netpols)
	most = min(most, len(pods)+len(netpols))
	out := netpols[:min(len(netpols), most/6)]
	out = append(out, pods[:min(len(pods), most-len(out))]...)
	shuffle(out)
	return out
}
