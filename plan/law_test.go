package plan_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/plan"
)

// table is a judge that says of each step in each state whether it is allowed.
type table struct {
	n       int
	allowed func(done, step int) bool
	asked   int
}

func (e *table) Evaluate(_ context.Context, r guardrail.Review) (guardrail.Decision, error) {
	e.asked++
	done, step := 0, -1
	for i := range e.n {
		if _, there := r.Before.Netpol("shop", name(i)); there {
			done |= 1 << i
		}
		if r.Change.Ref().Name == name(i) {
			step = i
		}
	}
	if step < 0 {
		return guardrail.Decision{}, errors.New("asked about something else")
	}
	if e.allowed(done, step) {
		return guardrail.Decision{}, nil
	}
	return guardrail.Decision{Violations: []guardrail.Violation{{Guardrail: "table", Action: guardrail.Deny, Message: fmt.Sprint(done)}}}, nil
}

func name(i int) string { return fmt.Sprintf("n%02d", i) }

func steps(t rapid.TB, n int) []plan.Step {
	t.Helper()
	var out []plan.Step
	for i := range n {
		netpol, err := cluster.NewNetpol(clustertest.Netpol("shop/"+name(i), "{podSelector: {}}"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, plan.Step{Review: guardrail.Review{
			Request: &admissionv1.AdmissionRequest{Kind: metav1.GroupVersionKind{Kind: "NetworkPolicy"}, Namespace: "shop", Name: name(i), Operation: admissionv1.Create},
			Change:  cluster.Change{After: netpol},
		}})
	}
	return out
}

// TestLawPlans holds of any judge: an order is found just when there is one, every state
// that its waves can leave is allowed, and what is named as a conflict cannot go.
func TestLawPlans(t *testing.T) {
	found := 0
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(r, "steps")
		share := rapid.IntRange(1, 9).Draw(r, "share")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 1))
		allowed := make([][]bool, 1<<n)
		for done := range allowed {
			for range n {
				allowed[done] = append(allowed[done], random.IntN(10) < share)
			}
		}
		judge := &table{n: n, allowed: func(done, step int) bool { return allowed[done][step] }}
		p, err := plan.New(context.Background(), judge, clustertest.Snapshot(r), steps(r, n))
		if err != nil {
			r.Fatal(err)
		}
		// All states that can be reached, by the plain way.
		reached := map[int]bool{0: true}
		for done := range 1 << n {
			for i := range n {
				if reached[done] && done&(1<<i) == 0 && allowed[done][i] {
					reached[done|1<<i] = true
				}
			}
		}
		if p.GaveUp || p.Found() != reached[1<<n-1] {
			r.Fatalf("found: %v (gave up: %v), there is an order: %v", p.Found(), p.GaveUp, reached[1<<n-1])
		}
		if !p.Found() {
			checkConflict(r, p.Conflict, allowed)
			return
		}
		found++
		done := 0
		for _, wave := range p.Waves {
			for some := range 1 << len(wave) {
				state := done
				for k, i := range wave {
					if some&(1<<k) != 0 {
						state |= 1 << i
					}
				}
				for k, i := range wave {
					if some&(1<<k) == 0 && !allowed[state][i] {
						r.Fatalf("waves %v: step %d is denied after %b", p.Waves, i, state)
					}
				}
			}
			for _, i := range wave {
				done |= 1 << i
			}
		}
		if done != 1<<n-1 {
			r.Fatalf("waves %v leave steps out", p.Waves)
		}
	})
	t.Logf("%d orders found", found)
}

// checkConflict holds a conflict to what it says: each step is denied, and allowed once
// the next one of the ring has gone.
func checkConflict(r *rapid.T, c *plan.Conflict, allowed [][]bool) {
	done := 0
	for _, i := range c.Done {
		done |= 1 << i
	}
	if len(c.Steps) == 0 || len(c.Steps) != len(c.Denials) {
		r.Fatalf("a conflict of %v, with %d denials", c.Steps, len(c.Denials))
	}
	for k, i := range c.Steps {
		next := c.Steps[(k+1)%len(c.Steps)]
		if allowed[done][i] || !c.Denials[k].Denied() {
			r.Fatalf("step %d is in the conflict %v and may go after %b", i, c.Steps, done)
		}
		if next != i && !allowed[done|1<<next][i] {
			r.Fatalf("step %d is said to wait for %d, after which it is denied all the same", i, next)
		}
	}
}

// TestAllOrdersOfTwelve proves at the bound that there is no order, and names the pair.
func TestAllOrdersOfTwelve(t *testing.T) {
	const n = plan.MaxObjects
	judge := &table{n: n, allowed: func(done, step int) bool { // the two last wait for each other
		return step < n-2 || done&(1<<(n-1)) != 0 && step == n-2 || done&(1<<(n-2)) != 0 && step == n-1
	}}
	p, err := plan.New(t.Context(), judge, clustertest.Snapshot(t), steps(t, n))
	if err != nil {
		t.Fatal(err)
	}
	if p.GaveUp || p.Conflict == nil || !slices.Equal(p.Conflict.Steps, []int{n - 2, n - 1}) || len(p.Conflict.Done) != n-2 {
		t.Errorf("gave up: %v, conflict %+v", p.GaveUp, p.Conflict)
	}
	t.Logf("%d evaluations", judge.asked)
}

// TestGivesUp: far beyond the bound, with nothing that can be found.
func TestGivesUp(t *testing.T) {
	const n = 20
	judge := &table{n: n, allowed: func(_, step int) bool { return step < n-1 }}
	p, err := plan.New(t.Context(), judge, clustertest.Snapshot(t), steps(t, n))
	if err != nil {
		t.Fatal(err)
	}
	if !p.GaveUp || p.Found() || p.Conflict != nil || p.Tried > 2*plan.MaxObjects<<plan.MaxObjects {
		t.Errorf("gave up: %v, conflict %+v, %d tried", p.GaveUp, p.Conflict, p.Tried)
	}
}

// TestLargeChange: an order is found soon though the change is large, and what changes
// nothing is left out of it.
func TestLargeChange(t *testing.T) {
	const n = 60
	judge := &table{n: n, allowed: func(int, int) bool { return true }}
	all := steps(t, n)
	all[7].Change = cluster.Change{Before: all[7].Change.After, After: all[7].Change.After}
	p, err := plan.New(t.Context(), judge, clustertest.Snapshot(t), all)
	if err != nil {
		t.Fatal(err)
	}
	ordered := 0
	for _, wave := range p.Waves {
		ordered += len(wave)
	}
	if !p.Found() || ordered != n-1 || !slices.Equal(p.Free, []int{7}) {
		t.Errorf("found %v, %d in waves, free %v", p.Found(), ordered, p.Free)
	}
}

// TestFailureIsNoAllow: what cannot be evaluated ends the search.
func TestFailureIsNoAllow(t *testing.T) {
	judge := failing{}
	if p, err := plan.New(t.Context(), judge, clustertest.Snapshot(t), steps(t, 2)); err == nil {
		t.Errorf("got %+v, want an error", p)
	}
}

type failing struct{}

func (failing) Evaluate(context.Context, guardrail.Review) (guardrail.Decision, error) {
	return guardrail.Decision{}, errors.New("out of time")
}
