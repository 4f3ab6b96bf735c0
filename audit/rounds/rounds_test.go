package rounds

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/policyreport"
)

const dbRules = `
exclude: {namespaces: [kube-system]}
guardrails:
- name: nobody-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {app: web}}}, to: {podSelector: {matchLabels: {app: db}}}}
- {name: isolated, guardrail: default-deny, action: audit, match: {namespaces: [shop, legacy, kube-system]}}
- name: typo
  guardrail: forbidden-paths
  action: warn
  parameters: {from: {podSelector: {matchLabels: {ap: web}}}, to: {podSelector: {matchLabels: {app: db}}}}
exemptions:
- {name: window, guardrails: [isolated], match: {namespaces: [legacy]}, reason: moving}
- {name: over, guardrails: [isolated], match: {namespaces: [shop]}, reason: done, expires: 2020-01-31}
`

func pod(namespace, name, app string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: %s, labels: {app: %s}}\nspec: {containers: [{name: c, image: c}]}\n", name, namespace, app)
}

const isolateShop = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
`

func snapshot(t testing.TB, docs ...string) *cluster.Snapshot {
	t.Helper()
	set, err := manifest.Read(manifest.Input{Entries: true, Texts: []manifest.Text{{Name: "test", Data: []byte(strings.Join(docs, "---\n"))}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func roundsOf(e *guardrail.Engine, m Model) *Rounds {
	return New(Options{
		Model: m, InForce: e.InForce, Unmatched: e.Unmatched, Interval: time.Hour, Registry: prometheus.NewRegistry(),
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
}

// listed makes a round, and gives a line for each entry that it keeps; first is the first
// line of the message.
func listed(t *testing.T, r *Rounds, s *cluster.Snapshot, line func(namespace string, e policyreport.Entry, first string) string) []string {
	t.Helper()
	var kept policyreport.Tallies
	r.Keep = func(_ context.Context, t policyreport.Tallies) error { kept = t; return nil }
	if err := r.round(t.Context(), s, r.InForce()); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, namespace := range slices.Sorted(maps.Keys(kept)) {
		for _, e := range kept[namespace].Listed() {
			first, _, _ := strings.Cut(e.Message, "\n")
			out = append(out, line(namespace, e, first))
		}
	}
	return out
}

// A round finds what is there by every guardrail, whatever its action, and tells beside it
// what chooses nobody, what has expired, what is exempted and what is not modelled.
func TestARoundFindsWhatIsThere(t *testing.T) {
	s := snapshot(t, pod("shop", "web", "web"), pod("shop", "db", "db"), pod("legacy", "old", "old"), pod("kube-system", "dns", "dns"),
		"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: shop}\nspec: {endpointSelector: {}}\n")
	r := roundsOf(engine(t, dbRules), still{s})
	got := listed(t, r, s, func(namespace string, e policyreport.Entry, first string) string {
		return fmt.Sprintf("%s: %s %s %s: %.60s", namespace, e.Action, e.Severity, e.Guardrail, first)
	})
	want := []string{
		": warn info chooses-nobody: guardrail typo: from chooses no workload: podSelector ap=web",
		": warn info expired-exemption: exemption over expired after 2020-01-31 and exempts nothing ",
		"shop: deny critical nobody-reaches-db: shop/Pod/web could reach shop/Pod/db on all ports",
		"shop: warn info unmodelled-policy: not modelled: a policy of another API, about which NetworkPo",
		"shop: audit high isolated: shop/Pod/db would not be isolated for ingress and egress: no",
		"shop: audit high isolated: shop/Pod/web would not be isolated for ingress and egress: n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	metrics := `# HELP podcullis_audit_exempted Violations in the cluster that an exemption lets pass.
# TYPE podcullis_audit_exempted gauge
podcullis_audit_exempted 1
# HELP podcullis_audit_findings Violations that are in the cluster now, by guardrail, its action and severity. Shown by the replica that audits.
# TYPE podcullis_audit_findings gauge
podcullis_audit_findings{action="audit",guardrail="isolated",severity="high"} 2
podcullis_audit_findings{action="deny",guardrail="nobody-reaches-db",severity="critical"} 1
`
	if err := testutil.CollectAndCompare(r.metrics, strings.NewReader(metrics), "podcullis_audit_exempted", "podcullis_audit_findings"); err != nil {
		t.Error(err)
	}
}

// What was there at the start is nobody's news; what comes is, once.
func TestOnlyWhatIsNewIsTold(t *testing.T) {
	before := snapshot(t, pod("shop", "web", "web"), pod("shop", "db", "db"))
	after := snapshot(t, pod("shop", "web", "web"), pod("shop", "db", "db"), pod("shop", "new", "new"))
	r := roundsOf(engine(t, dbRules), still{before})
	var told []string
	r.Tell = func(v guardrail.Violation, o cluster.Object) { told = append(told, v.Guardrail+" "+o.Ref().String()) }
	for _, s := range []*cluster.Snapshot{before, after, after, before, after} {
		if err := r.round(t.Context(), s, r.InForce()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"isolated shop/Pod/new", "isolated shop/Pod/new"} // it came twice
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What could not be judged takes nothing back: reports stay, and the metrics say so.
func TestAnIncompleteRoundKeepsNoReport(t *testing.T) {
	broken := fstest.MapFS{"broken.rego": {Data: []byte("# METADATA\n# title: Broken\n# description: Two answers.\n# custom:\n#   severity: low\n#   kinds: [Pod]\npackage guardrails.broken\n\nf(x) := 1 if x\n\nf(x) := 2 if x\n\nviolation contains {\"msg\": sprintf(\"%d\", [f(count(cluster.namespaces()) > 0)])}\n")}}
	l, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS}, guardrail.Source{Name: "broken", FS: fs.FS(broken)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := guardrail.ParseConfig("test.yaml", []byte("apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: isolated, guardrail: default-deny, action: deny}\n- {name: broken, guardrail: broken, action: audit}\n"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := guardrail.New(l, c)
	if err != nil {
		t.Fatal(err)
	}
	s := snapshot(t, pod("shop", "web", "web"))
	r := roundsOf(e, still{s})
	r.Keep = func(context.Context, policyreport.Tallies) error { t.Error("reports were written"); return nil }
	err = r.round(t.Context(), s, r.InForce())
	if err == nil || !strings.Contains(err.Error(), "guardrail broken") || !strings.Contains(err.Error(), "Pod shop/web") {
		t.Errorf("got %v", err)
	}
	if n := testutil.ToFloat64(r.metrics.rounds.WithLabelValues("incomplete")); n != 1 {
		t.Errorf("%v incomplete rounds", n)
	}
	if got := r.metrics.shown.Load(); got.count[kind{"isolated", "high", "deny", "shop"}] != 1 || !got.complete.IsZero() {
		t.Errorf("shown: %+v", got)
	}
}

// moving is a model that a test moves.
type moving struct {
	mu    sync.Mutex
	now   *cluster.Snapshot
	moved chan struct{}
}

func (m *moving) Snapshot() *cluster.Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *moving) set(s *cluster.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = s
	close(m.moved)
	m.moved = make(chan struct{})
}

func (m *moving) WaitFor(ctx context.Context, condition func(*cluster.Snapshot) bool) bool {
	for {
		m.mu.Lock()
		now, moved := m.now, m.moved
		m.mu.Unlock()
		if condition(now) {
			return true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

// A round follows what matters, another set of guardrails and the interval; it does not
// follow what means nothing, and what went wrong is tried again.
func TestWhenARoundIsMade(t *testing.T) {
	first := snapshot(t, pod("shop", "web", "web"))
	same := snapshot(t, pod("shop", "web", "web"))
	other := snapshot(t, pod("shop", "web", "web"), isolateShop)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := &moving{now: first, moved: make(chan struct{})}
		e := engine(t, dbRules)
		r := roundsOf(e, m)
		var mu sync.Mutex
		rounds, fail := 0, false
		r.Keep = func(context.Context, policyreport.Tallies) error {
			mu.Lock()
			defer mu.Unlock()
			rounds++
			if fail {
				return errors.New("no reports today")
			}
			return nil
		}
		var done sync.WaitGroup
		done.Go(func() { r.Watch(ctx) })
		after := func(d time.Duration, what string, want int) {
			t.Helper()
			time.Sleep(d) // the bubble's clock
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if rounds != want {
				t.Errorf("%s: %d rounds, want %d", what, rounds, want)
			}
			rounds = 0
		}
		after(30*time.Second, "the first look", 1)
		m.set(same)
		after(30*time.Second, "what means nothing", 0)
		m.set(other)
		after(5*time.Second, "a netpol", 1)
		l, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
		if err != nil {
			t.Fatal(err)
		}
		c, err := guardrail.ParseConfig("b.yaml", guardrail.DefaultConfig)
		if err == nil {
			err = e.Reload(l, c)
		}
		if err != nil {
			t.Fatal(err)
		}
		after(10*time.Second, "other guardrails", 1)
		after(time.Hour, "the interval", 1)
		mu.Lock()
		fail = true
		mu.Unlock()
		m.set(first)
		after(20*time.Second, "a failure", 1)
		after(30*time.Second, "once more", 1)
		mu.Lock()
		fail = false
		mu.Unlock()
		cancel()
		done.Wait()
		if r.metrics.shown.Load() != nil {
			t.Error("who does not audit shows something")
		}
	})
}

// However much is wrong, what is held is bounded.
func TestAHundredThousandFindings(t *testing.T) {
	f := newFindings()
	v := guardrail.Violation{Guardrail: "isolated", Rule: "default-deny", Action: guardrail.Deny, Severity: "high", Message: strings.Repeat("x", 4000)}
	for i := range 100_000 {
		ref := cluster.Ref{Namespace: fmt.Sprintf("ns-%d", i%10), Kind: "Pod", Name: fmt.Sprintf("pod-%d", i)}
		f.add(ref, v, v.Fingerprint(ref), true)
	}
	held := 0
	for _, tally := range f.tallies {
		for _, e := range tally.Listed() {
			held += len(e.Message)
		}
		if tally.Fail != 10_000 {
			t.Errorf("%d counted", tally.Fail)
		}
	}
	if held > 10*policyreport.MaxResults*1000 {
		t.Errorf("%d bytes of messages are held", held)
	}
}
