package breach

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

const basicConfig = `apiVersion: podcullis.io/v1alpha1
kind: Guardrails
exclude: {namespaces: [kube-system]}
guardrails:
- {name: isolated, guardrail: default-deny, action: deny, match: {excludedNamespaces: [play]}}
- name: frontend-never-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters:
    from: {podSelector: {matchLabels: {tier: frontend}}}
    to: {podSelector: {matchLabels: {tier: db}}}
- name: web-reaches-api
  guardrail: required-paths
  action: deny
  parameters:
    from: {podSelector: {matchLabels: {app: web}}}
    to: {podSelector: {matchLabels: {app: api}}}
    ports: [{protocol: TCP, port: 80}]
exemptions:
- {name: moving, guardrails: [isolated, frontend-never-reaches-db], match: {namespaces: [legacy]}, reason: it moves}
`

// world is a model that a test changes, and the watcher that looks at it.
type world struct {
	t       *testing.T
	mu      sync.Mutex
	now     *cluster.Snapshot
	changed chan struct{}
	journal []cluster.Written
	version int

	engine   *guardrail.Engine
	watcher  *Watcher
	registry *prometheus.Registry
	log      bytes.Buffer
	told     []Breach
	judged   *cluster.Snapshot
}

func newWorld(t *testing.T, config string, objects ...runtime.Object) *world {
	t.Helper()
	w := &world{t: t, now: clustertest.Snapshot(t, objects...), changed: make(chan struct{}), registry: prometheus.NewRegistry(), version: 100}
	w.engine = newEngine(t, config)
	w.judged = w.now
	w.watcher = New(Options{
		Model: w, InForce: w.engine.InForce, Tell: func(b Breach) { w.told = append(w.told, b) },
		Registry: w.registry, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	return w
}

func newEngine(t *testing.T, config string) *guardrail.Engine {
	t.Helper()
	library, parsed := load(t, config)
	engine, err := guardrail.New(library, parsed)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func load(t *testing.T, config string) (*guardrail.Library, *guardrail.Config) {
	t.Helper()
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := guardrail.ParseConfig("test", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	return library, parsed
}

func (w *world) Snapshot() *cluster.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) WaitFor(ctx context.Context, condition func(*cluster.Snapshot) bool) bool {
	for {
		w.mu.Lock()
		now, changed := w.now, w.changed
		w.mu.Unlock()
		if condition(now) {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (w *world) Journal() []cluster.Written {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]cluster.Written(nil), w.journal...)
}

// happens has changes show in one snapshot.
func (w *world) happens(changes ...cluster.Change) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range changes {
		w.version++
		w.journal = append(w.journal, cluster.Written{Ref: c.Ref(), Change: c, Write: cluster.Write{
			Manager: "kubectl", At: time.Unix(int64(w.version), 0), ResourceVersion: fmt.Sprint(w.version), UID: "u", Seen: time.Now(),
		}})
	}
	w.now = clustertest.Apply(w.t, w.now, changes...)
	close(w.changed)
	w.changed = make(chan struct{})
}

// is creates an object, or replaces what is there of that name.
func (w *world) is(o runtime.Object) cluster.Change {
	c := cluster.Change{After: clustertest.Stored(w.t, o)}
	for was := range w.now.Objects() {
		if was.Ref() == c.After.Ref() {
			c.Before = was
		}
	}
	return c
}

// gone deletes an object.
func (w *world) gone(ref string) cluster.Change {
	w.t.Helper()
	for was := range w.now.Objects() {
		if was.Ref().String() == ref {
			return cluster.Change{Before: was}
		}
	}
	w.t.Fatalf("there is no %s", ref)
	return cluster.Change{}
}

// look has the watcher judge what has changed, and says what it told.
func (w *world) look() []string {
	w.t.Helper()
	w.told = nil
	w.judged = w.watcher.Look(w.t.Context(), w.judged)
	var out []string
	for _, b := range w.told {
		var by []string
		for _, c := range b.By {
			by = append(by, c.Ref.String()+" "+c.Did)
		}
		text := fmt.Sprintf("[%s] %s", b.Guardrail, b.Summary())
		if b.More > 0 {
			text += fmt.Sprintf(" and %d more", b.More)
		}
		out = append(out, text+" <- "+strings.Join(by, " + "))
	}
	return out
}

// knowing are the violations that were let in knowingly: "guardrail why" and how many.
func (w *world) knowing() map[string]float64 {
	return w.counted("podcullis_violations_seen_allowed_total")
}

func (w *world) counted(name string) map[string]float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetCounter().GetValue() > 0 {
				out[labelsOf(m)] = m.GetCounter().GetValue()
			}
		}
	}
	return out
}

func labelsOf(m *dto.Metric) string {
	var values []string
	for _, l := range m.GetLabel() {
		values = append(values, l.GetValue())
	}
	return strings.Join(values, " ")
}

// pod is a pod in namespace shop, play, ... with labels "app=web tier=frontend".
func pod(ref, labels string, options ...clustertest.Option) runtime.Object {
	return clustertest.Pod(ref, append(options, clustertest.Labels(strings.Fields(labels)...), clustertest.UID("u-"+ref))...)
}

func deny(namespace string) runtime.Object {
	return clustertest.Netpol(namespace+"/default-deny", `{podSelector: {}, policyTypes: [Ingress, Egress]}`)
}

// hole lets pods with a label reach the database, both ways.
func hole(ref, from string) runtime.Object {
	key, value, _ := strings.Cut(from, "=")
	return clustertest.Netpol(ref, fmt.Sprintf(`{podSelector: {matchLabels: {tier: db}}, ingress: [{from: [{podSelector: {matchLabels: {%s: %s}}}]}]}`, key, value))
}

func out(ref, from string) runtime.Object {
	key, value, _ := strings.Cut(from, "=")
	return clustertest.Netpol(ref, fmt.Sprintf(`{podSelector: {matchLabels: {%s: %s}}, policyTypes: [Egress], egress: [{}]}`, key, value))
}

// shop is a namespace in which all is as it should be.
func shop() []runtime.Object {
	return []runtime.Object{
		clustertest.Namespace("shop"), deny("shop"), out("shop/web-out", "app=web"),
		pod("shop/web", "app=web tier=frontend"), pod("shop/db", "app=db tier=db"), pod("shop/other", "app=other"),
	}
}
