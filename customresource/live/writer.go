package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/customresource"
	"github.com/podcullis/podcullis/customresource/v1alpha1"
)

const (
	// debounce is how long a change is waited for to be over before statuses are written.
	debounce = 500 * time.Millisecond
	// recount is how often counts are looked at: they change all the time in a cluster that
	// lives. What expires is noticed then, too.
	recount = 15 * time.Second
	// Writes a second, and at once: statuses are for people.
	writesPerSecond = 10
	writesAtOnce    = 20
	manager         = "podcullis-status"
)

// Counts are how many workloads and violations each guardrail has. Violations is nil where
// nobody counts them.
type Counts struct{ Workloads, Violations map[string]int }

// WriterOptions are what a Writer needs.
type WriterOptions struct {
	Follower *Follower
	// Outcome is what became of the objects, as of now.
	Outcome func() customresource.Outcome
	// Counts may take long; it is asked now and then.
	Counts   func() Counts
	Registry prometheus.Registerer
	Log      *slog.Logger
	Now      func() time.Time
}

// Writer writes statuses, on one replica.
type Writer struct {
	WriterOptions
	client  dynamic.Interface
	written *prometheus.CounterVec
	wake    chan struct{}
	failed  string
}

// NewWriter makes a Writer and registers its metric.
func NewWriter(config *rest.Config, o WriterOptions) (*Writer, error) {
	c := rest.CopyConfig(config)
	c.QPS, c.Burst = writesPerSecond, writesAtOnce
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	w := &Writer{WriterOptions: o, client: client, wake: make(chan struct{}, 1)}
	w.written = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "podcullis_custom_resource_status_writes_total",
		Help: "Writes of the status of Guardrail and Exemption objects, by result: written or failed. What has not changed is not written.",
	}, []string{"result"})
	for _, result := range []string{"written", "failed"} {
		w.written.WithLabelValues(result)
	}
	o.Registry.MustRegister(w.written)
	return w, nil
}

// Wake says that what became of the objects may be something else.
func (w *Writer) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends. It may be called again after that.
func (w *Writer) Run(ctx context.Context) {
	var counts Counts
	counted := time.Time{}
	for ctx.Err() == nil {
		if time.Since(counted) >= recount {
			counts, counted = w.Counts(), time.Now()
		}
		w.say(w.write(ctx, counts))
		timer := time.NewTimer(recount)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-w.wake:
			select {
			case <-ctx.Done():
			case <-time.After(debounce):
			}
		}
		timer.Stop()
	}
}

// say logs what went wrong, once for as long as it does.
func (w *Writer) say(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != w.failed {
		w.Log.Error("the status of custom resources is not written", "error", err)
	}
	w.failed = text
}

// write makes each status what it should be. What was not known before, or is not there any
// more, comes with the next call.
func (w *Writer) write(ctx context.Context, counts Counts) error {
	outcome := w.Outcome()
	var errs []error
	patch := func(resource schema.GroupVersionResource, name types.NamespacedName, status map[string]any) {
		if err := w.patch(ctx, resource, name, status); err != nil && len(errs) < 5 {
			errs = append(errs, fmt.Errorf("%s %s: %w", resource.Resource, strings.TrimPrefix(name.String(), "/"), err))
		}
	}
	for name, v := range outcome.Guardrails {
		at := types.NamespacedName{Name: name}
		g := w.Follower.guardrails.get(at)
		if g == nil || g.Generation != v.Generation || ctx.Err() != nil {
			continue
		}
		s := v1alpha1.GuardrailStatus{ObservedGeneration: v.Generation, InForceGeneration: v.InForce}
		s.Conditions = w.conditions(g.Status.Conditions, v, false)
		if v.InForce > 0 {
			s.Workloads, s.Violations = countOf(counts.Workloads, name, 0), countOf(counts.Violations, name, 0)
		}
		if !same(s, g.Status) {
			patch(v1alpha1.Guardrails(), at, map[string]any{
				"observedGeneration": s.ObservedGeneration, "inForceGeneration": s.InForceGeneration,
				"workloads": s.Workloads, "violations": s.Violations, "conditions": s.Conditions,
			})
		}
	}
	for at, v := range outcome.ExemptionObjects {
		x := w.Follower.exemptions.get(at)
		if x == nil || x.Generation != v.Generation || ctx.Err() != nil {
			continue
		}
		s := v1alpha1.ExemptionStatus{Approval: x.Status.Approval, ObservedGeneration: v.Generation}
		s.Conditions = w.conditions(x.Status.Conditions, v, true)
		if !same(s, x.Status) {
			patch(v1alpha1.Exemptions(), at, map[string]any{"observedGeneration": s.ObservedGeneration, "conditions": s.Conditions})
		}
	}
	return errors.Join(errs...)
}

// patch writes the fields of a status that are ours, and no other.
func (w *Writer) patch(ctx context.Context, resource schema.GroupVersionResource, name types.NamespacedName, status map[string]any) error {
	text, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = w.client.Resource(resource).Namespace(name.Namespace).Patch(ctx, name.Name, types.MergePatchType, text, metav1.PatchOptions{FieldManager: manager}, "status")
	if apierrors.IsNotFound(err) {
		return nil // it has gone
	}
	result := "written"
	if err != nil {
		result = "failed"
	}
	w.written.WithLabelValues(result).Inc()
	return err
}

func countOf(counts map[string]int, name string, none int) *int32 {
	if counts == nil {
		return nil
	}
	n, ok := counts[name]
	if !ok {
		n = none
	}
	return new(int32(n))
}

// conditions are those of a verdict, each with the time since when it is so.
func (w *Writer) conditions(was []metav1.Condition, v customresource.Verdict, approvable bool) []metav1.Condition {
	type named struct {
		name string
		customresource.Condition
	}
	all := []named{{v1alpha1.ConditionLoaded, v.Loaded}}
	if approvable {
		all = append(all, named{v1alpha1.ConditionApproved, v.Approved})
	}
	all = append(all, named{v1alpha1.ConditionReady, v.Ready})
	out := make([]metav1.Condition, 0, len(all))
	for _, n := range all {
		status := metav1.ConditionFalse
		if n.True {
			status = metav1.ConditionTrue
		}
		c := metav1.Condition{Type: n.name, Status: status, Reason: n.Reason, Message: n.Message, ObservedGeneration: v.Generation, LastTransitionTime: metav1.NewTime(w.Now().UTC().Truncate(time.Second))}
		at := slices.IndexFunc(was, func(o metav1.Condition) bool { return o.Type == n.name && o.Status == status })
		if at >= 0 {
			c.LastTransitionTime = was[at].LastTransitionTime
		}
		out = append(out, c)
	}
	return out
}
