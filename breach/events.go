package breach

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

const (
	// What is in the queue at most, and how fast it becomes Events. A namespace has a share
	// of its own, so that nobody's noise hides what happens elsewhere.
	maxQueued        = 200
	eventsPerSecond  = 2
	eventsAtOnce     = 50
	namespacesShared = 4096
	ownPerSecond     = 0.1
	ownAtOnce        = 10

	eventTries   = 3
	eventTimeout = 5 * time.Second
	// maxNote is the API's bound in bytes, maxEventName leaves room for the digest.
	maxNote      = 1024
	maxEventName = 200
)

// EventCreator writes Events of one namespace; the typed client of events.k8s.io/v1 is one.
type EventCreator interface {
	Create(context.Context, *eventsv1.Event, metav1.CreateOptions) (*eventsv1.Event, error)
}

// EventOptions are what Events need.
type EventOptions struct {
	Creator func(namespace string) EventCreator
	// Instance names this replica.
	Instance string
	// Custom are kinds of other APIs that make pods.
	Custom []cluster.Custom
	// Words, if set, says what people may read who can read the Events of a namespace.
	Words    func(namespace string, b Breach) string
	Registry prometheus.Registerer
	Log      *slog.Logger
}

// Events writes an Event for each breach, beside the object that changed last. Every
// replica sees every breach, and all call the Event the same, so that only one is there.
type Events struct {
	EventOptions
	queue   chan Breach
	written *prometheus.CounterVec
	failing string // the last error, said once
}

// NewEvents registers the metric; nothing is written before Watch.
func NewEvents(o EventOptions) *Events {
	e := &Events{
		EventOptions: o, queue: make(chan Breach, maxQueued),
		written: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_seen_events_total",
			Help: "Events about violations that got in, by result: created, exists (another replica was first), dropped (too many) or failed.",
		}, []string{"result"}),
	}
	for _, result := range []string{"created", "exists", "dropped", "failed"} {
		e.written.WithLabelValues(result)
	}
	o.Registry.MustRegister(e.written)
	return e
}

// Tell queues a breach; it does not wait.
func (e *Events) Tell(b Breach) {
	select {
	case e.queue <- b:
	default:
		e.written.WithLabelValues("dropped").Inc()
	}
}

// Watch writes what is told, until ctx ends.
func (e *Events) Watch(ctx context.Context) {
	all, own := rate.NewLimiter(eventsPerSecond, eventsAtOnce), map[string]*rate.Limiter{}
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-e.queue:
			event := e.event(b)
			if len(own) >= namespacesShared {
				clear(own)
			}
			limiter, ok := own[event.Namespace]
			if !ok {
				limiter = rate.NewLimiter(ownPerSecond, ownAtOnce)
				own[event.Namespace] = limiter
			}
			if !limiter.Allow() || !all.Allow() {
				e.written.WithLabelValues("dropped").Inc()
				continue
			}
			e.written.WithLabelValues(e.write(ctx, event)).Inc()
		}
	}
}

func (e *Events) write(ctx context.Context, event *eventsv1.Event) string {
	err := e.create(ctx, event)
	for try := 1; try < eventTries && mayPass(err) && pause(ctx, time.Duration(try)*retryPause); try++ {
		err = e.create(ctx, event)
	}
	switch {
	case err == nil:
		e.failing = ""
		return "created"
	case apierrors.IsAlreadyExists(err):
		e.failing = ""
		return "exists"
	}
	if text := err.Error(); text != e.failing {
		e.failing = text
		e.Log.Error("Event not written", "namespace", event.Namespace, "about", event.Regarding.Kind+"/"+event.Regarding.Name, "error", err)
	}
	return "failed"
}

func (e *Events) create(ctx context.Context, event *eventsv1.Event) error {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	_, err := e.Creator(event.Namespace).Create(ctx, event, metav1.CreateOptions{})
	return err
}

// mayPass is false where trying again will not do: a namespace that ends or is gone, no right.
func mayPass(err error) bool {
	return err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) && !apierrors.IsInvalid(err)
}

// event is the Event of a breach.
func (e *Events) event(b Breach) *eventsv1.Event {
	last := b.By[0]
	regarding := e.reference(last)
	note := Note(b)
	if e.Words != nil {
		note = e.Words(regarding.Namespace, b)
	}
	version, action, reason := last.Write.ResourceVersion, "SeenAfterwards", "ViolationGotIn"
	if b.Found {
		version, action, reason = b.Fingerprint(last.Ref), "Audited", "ViolationFound"
	}
	digest := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", b.Guardrail, last.Ref.String(), version))
	out := &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: regarding.Namespace, Name: fmt.Sprintf("%s.%x", guardrail.Cut(last.Ref.Name, maxEventName), digest[:8])},
		EventTime:           metav1.NowMicro(),
		ReportingController: "podcullis.io/podcullis-webhook",
		ReportingInstance:   guardrail.Cut(e.Instance, 128),
		Action:              action,
		Reason:              reason,
		Regarding:           regarding,
		Note:                guardrail.Cut(note, maxNote),
		Type:                corev1.EventTypeWarning,
	}
	if len(b.By) > 1 {
		related := e.reference(b.By[1])
		out.Related = &related
	}
	return out
}

// reference names an object. A Namespace is named as if it were in itself: there its
// people look for Events.
func (e *Events) reference(c Cause) corev1.ObjectReference {
	kind, _, _ := strings.Cut(c.Ref.Kind, ".")
	version := "v1"
	for _, custom := range e.Custom {
		if custom.Group == c.Group && custom.Kind == kind {
			version = custom.Version
		}
	}
	if c.Group != "" {
		version = c.Group + "/" + version
	}
	namespace := c.Ref.Namespace
	if namespace == "" {
		namespace = c.Ref.Name
	}
	return corev1.ObjectReference{
		APIVersion: version, Kind: kind, Namespace: namespace, Name: c.Ref.Name,
		UID: types.UID(c.Write.UID), ResourceVersion: c.Write.ResourceVersion,
	}
}

// Note is what an Event says, in one line as `kubectl get events` prints it. What changed
// comes before the advice: where room is short the advice is cut.
func Note(b Breach) string {
	line := b.Line()
	advice := ""
	if at := strings.Index(line, "; to fix: "); at >= 0 {
		line, advice = line[:at], line[at:]
	}
	more := ""
	if b.More > 0 {
		more = fmt.Sprintf("; and %d more", b.More)
	}
	if b.Found {
		return fmt.Sprintf("[%s] %s%s%s", b.Guardrail, line, more, advice)
	}
	return fmt.Sprintf("[%s] %s%s; it got in: %s%s", b.Guardrail, line, more, b.Causes(), advice)
}
