package live

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
)

// ofAnOperator is a pod that is remembered when it goes.
func ofAnOperator() *corev1.Pod {
	p := pod("pg-0", "1", "pg")
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "example.com/v1", Kind: "Postgres", Name: "pg", UID: "u-1", Controller: new(true)}}
	return p
}

func TestWhatOthersRemember(t *testing.T) {
	limits := cluster.DefaultMemoryLimits()
	for name, tc := range map[string]struct {
		reason string
		limits cluster.MemoryLimits
		others func(ctx context.Context, c *cluster.MemoryCopy) (*cluster.MemoryCopy, error)
		// want is what is remembered, after how long, and what is said.
		want  int
		after time.Duration
		log   []string
	}{
		"TheyAnswer": {
			reason: "it goes on with that", limits: limits, want: 1,
			others: func(_ context.Context, c *cluster.MemoryCopy) (*cluster.MemoryCopy, error) { return c, nil },
			log:    []string{`level=INFO msg="memory of another replica copied" remembered=1`},
		},
		"NobodyIsThere": {
			reason: "nothing is remembered yet", limits: limits,
			others: func(context.Context, *cluster.MemoryCopy) (*cluster.MemoryCopy, error) { return nil, nil },
		},
		"TheyFail": {
			reason: "it starts all the same", limits: limits,
			others: func(context.Context, *cluster.MemoryCopy) (*cluster.MemoryCopy, error) {
				return nil, errors.New("busy")
			},
			log: []string{`level=WARN msg="the memory of another replica was not copied: what went before is not remembered" error=busy`},
		},
		"TheyHang": {
			reason: "the start does not wait for them", limits: limits, after: copyTimeout,
			others: func(ctx context.Context, _ *cluster.MemoryCopy) (*cluster.MemoryCopy, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
			log: []string{`level=WARN msg="the memory of another replica was not copied: what went before is not remembered" error="context deadline exceeded"`},
		},
		"NothingIsToBeRemembered": {
			reason: "nobody is asked",
			others: func(context.Context, *cluster.MemoryCopy) (*cluster.MemoryCopy, error) { panic("asked") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other := start(t, Options{Memory: limits})
				other.kind("Namespace").Add(namespace("shop"))
				other.kind("Pod").Add(ofAnOperator())
				other.listed()
				other.kind("Pod").Delete(ofAnOperator())
				synctest.Wait()
				text, err := json.Marshal(other.Snapshot().Memory().Export(time.Now()))
				if err != nil {
					t.Fatal(err)
				}
				c := &cluster.MemoryCopy{}
				if err := json.Unmarshal(text, c); err != nil {
					t.Fatal(err)
				}
				var f *fixture
				f = start(t, Options{Memory: tc.limits, AskOthers: func(ctx context.Context) (*cluster.MemoryCopy, error) {
					if f.Synced() {
						t.Error("synced before the others were asked")
					}
					return tc.others(ctx, c)
				}})
				f.kind("Namespace").Add(namespace("shop"))
				began := time.Now()
				f.listed()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if !f.WaitFor(ctx, func(*cluster.Snapshot) bool { return true }) {
					t.Fatal("never synced")
				}
				if took := time.Since(began); took != tc.after {
					t.Errorf("synced after %s, want %s", took, tc.after)
				}
				if got := f.Snapshot().Memory().Len(); got != tc.want {
					t.Errorf("%d remembered, want %d: %s", got, tc.want, tc.reason)
				}
				f.wantLog(tc.log...)
			})
		})
	}
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "n-1", ResourceVersion: "1"}}
}
