package chaos

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// answer is what came of a request whose right answer is known.
type answer int

const (
	right answer = iota
	wrong
	lost // no answer: the call failed, and failurePolicy decided
)

// A change that must be refused, and one that must pass. They are sent as dry
// runs, so that each is the first.
var (
	forbidden = opening("forbidden", nil)
	harmless  = opening("harmless", []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "backend"}}}})
)

var both = []*networkingv1.NetworkPolicy{forbidden, harmless}

// opening is a netpol that lets those peers, nil for all, reach the shop's db.
func opening(name string, from []networkingv1.NetworkPolicyPeer) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From: from, Ports: []networkingv1.NetworkPolicyPort{{Port: ptr(intstr.FromInt32(5432))}},
			}},
		},
	}
}

// tries sends a change through the API server.
func (c cluster) tries(ctx context.Context, netpol *networkingv1.NetworkPolicy) answer {
	a, _ := c.judge(ctx, netpol)
	return a
}

// judge sends a copy: the client writes the kind into what it sends, and many send the
// same netpol at once.
func (c cluster) judge(ctx context.Context, netpol *networkingv1.NetworkPolicy) (answer, error) {
	_, err := c.client.NetworkingV1().NetworkPolicies("shop").Create(ctx, netpol.DeepCopy(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	denied := err != nil && strings.Contains(err.Error(), "[only-backend-reaches-db]")
	switch {
	case err != nil && !denied:
		return lost, err
	case denied && netpol != forbidden:
		return wrong, fmt.Errorf("%s: %w", netpol.Name, err)
	case !denied && netpol == forbidden:
		return wrong, fmt.Errorf("%s was admitted", netpol.Name)
	}
	return right, nil
}

// load is people who change something, one change after the other.
type load struct {
	asked, wrong, inFlight atomic.Int64

	mu       sync.Mutex
	lost     []loss
	failures []string // a few of the wrong and the lost

	stop    chan struct{}
	workers sync.WaitGroup
}

// unhurried is how long people think before the next change, where a fault takes
// time rather than requests.
const unhurried = 20 * time.Millisecond

// loss is a request that got no answer.
type loss struct{ began, ended time.Time }

func (c cluster) load(t *testing.T, workers int, think time.Duration) *load {
	t.Helper()
	l := &load{stop: make(chan struct{})}
	for worker := range workers {
		l.workers.Go(func() {
			for i := worker; ; i++ {
				select {
				case <-l.stop:
					return
				case <-time.After(think):
				}
				l.ask(func() (answer, error) {
					if i%2 == 0 {
						return c.judge(t.Context(), forbidden)
					}
					return c.judge(t.Context(), harmless)
				})
			}
		})
	}
	t.Cleanup(func() { l.end() })
	return l
}

// ask counts one request.
func (l *load) ask(request func() (answer, error)) {
	began := time.Now()
	l.inFlight.Add(1)
	a, err := request()
	l.inFlight.Add(-1)
	l.asked.Add(1)
	if a == right {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a == wrong {
		l.wrong.Add(1)
	} else {
		l.lost = append(l.lost, loss{began, time.Now()})
	}
	if len(l.failures) < 5 {
		l.failures = append(l.failures, fmt.Sprintf("%s: %v", began.Format(time.StampMilli), err))
	}
}

// passed waits until so many more requests were answered.
func (l *load) passed(t *testing.T, requests int64) {
	t.Helper()
	want := l.asked.Load() + requests
	await(t, "requests", func(context.Context) error {
		if got := l.asked.Load(); got < want {
			return fmt.Errorf("%d, want %d", got, want)
		}
		return nil
	})
}

// end stops the load, waits for what is in flight, and says how many were lost.
func (l *load) end() int64 {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.workers.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.lost))
}

// row is what the load came to; it must have ended.
func (l *load) row(day, injected, remark string) row {
	return row{day: day, injected: injected, asked: l.asked.Load(), wrong: l.wrong.Load(), lost: int64(len(l.lost)), remark: remark}
}

// clean records the row and fails the test for any wrong or lost answer.
func (l *load) clean(t *testing.T, day, injected, remark string) {
	t.Helper()
	l.end()
	record(t, l.row(day, injected, remark))
	if l.wrong.Load() > 0 || len(l.lost) > 0 {
		t.Errorf("%d wrong, %d lost of %d:\n%s", l.wrong.Load(), len(l.lost), l.asked.Load(), strings.Join(l.failures, "\n"))
	}
}
