package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/customresource"
	resourceslive "github.com/podcullis/podcullis/customresource/live"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/webhook/review"
)

const (
	// resourcesPath is where the API server asks about Guardrail and Exemption objects.
	resourcesPath      = "/resources"
	resourcesLeaseName = "podcullis-resources"
	// resourcesDebounce is how long a change of objects is waited for to be over.
	resourcesDebounce = 100 * time.Millisecond
	resourcesGlance   = time.Second
)

// resourceOptions are the flags of guardrails that come as objects.
type resourceOptions struct {
	on     bool
	atMost string
	lease  string
}

func (o *resourceOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.on, "custom-resources", o.on, "take guardrails and exemptions of objects, too: kinds Guardrail and Exemption of podcullis.io, whose definitions must be installed; at /resources changes of them are judged")
	f.StringVar(&o.atMost, "custom-resources-at-most", o.atMost, "the most that a Guardrail object may do about a violation: deny, warn or audit; one that says more counts as if it said this")
	f.StringVar(&o.lease, "custom-resources-lease", o.lease, "the Lease, `namespace/name`, by which one replica writes the status of these objects where nobody audits; made if it is not there (default: podcullis-resources in the namespace of the pod, or of the --kubeconfig's context)")
}

func (o *resourceOptions) validate(files bool) []error {
	var errs []error
	if !slices.Contains([]guardrail.Action{guardrail.Deny, guardrail.Warn, guardrail.AuditOnly}, guardrail.Action(o.atMost)) {
		errs = append(errs, fmt.Errorf("--custom-resources-at-most must be deny, warn or audit, got %q", o.atMost))
	}
	if !o.on {
		return errs
	}
	if files {
		errs = append(errs, errors.New("--custom-resources needs an API server, and --cluster-manifests takes the place of one"))
	}
	if namespace, name, found := strings.Cut(o.lease, "/"); o.lease != "" && (!found || namespace == "" || name == "") {
		errs = append(errs, fmt.Errorf("--custom-resources-lease must be namespace/name, got %q", o.lease))
	}
	return errs
}

// resourceFollower knows the objects; see resourceslive.Follower.
type resourceFollower interface {
	Changed() <-chan struct{}
	Listed() error
	Objects(maxAge time.Duration) customresource.Objects
}

// customResources are the guardrails and exemptions of objects. nil has none.
type customResources struct {
	follower resourceFollower
	writer   *resourceslive.Writer
	config   *rest.Config
	log      *slog.Logger
	now      func() time.Time
	atMost   guardrail.Action
	maxAge   time.Duration

	set     *customresource.Set // mu of the guardrailFiles is held
	base    atomic.Pointer[customresource.Base]
	outcome atomic.Pointer[customresource.Outcome]
	seen    atomic.Pointer[map[string]int] // violations, as the audit counts them
	said    string
}

// followResources begins to follow the objects. Nothing is judged before they are known.
func (a *app) followResources() error {
	o := a.options.resources
	if !o.on {
		return nil
	}
	config, err := restConfig(a.options)
	if err != nil {
		return fmt.Errorf("--custom-resources: %w", err)
	}
	config = rest.AddUserAgent(config, "podcullis-webhook/"+version)
	a.clock.listen(config)
	r := &customResources{
		config: config, log: a.log, now: a.clock.Now, atMost: guardrail.Action(o.atMost), maxAge: a.options.maxStaleness, set: customresource.NewSet(),
	}
	follower, err := resourceslive.NewFollower(config, a.log)
	if err != nil {
		return fmt.Errorf("--custom-resources: %w", err)
	}
	r.follower = follower
	r.writer, err = resourceslive.NewWriter(config, resourceslive.WriterOptions{
		Follower: follower, Outcome: func() customresource.Outcome { return r.judged() }, Counts: func() resourceslive.Counts { return r.counts(a) },
		Registry: a.registry, Log: a.log, Now: a.clock.Now,
	})
	if err != nil {
		return fmt.Errorf("--custom-resources: %w", err)
	}
	a.guardrails.resources = r
	a.registry.MustRegister(resourceStates{r})
	modelReady := a.model.ready
	a.model.ready = func() error {
		if err := r.ready(); err != nil || modelReady == nil {
			return err
		}
		return modelReady()
	}
	a.watches = append(a.watches, follower.Run, a.guardrails.watchResources)
	if a.options.audit.on {
		return nil // who audits writes
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("--custom-resources: API server: %w", err)
	}
	lease, err := leaseOf(a.options, o.lease, resourcesLeaseName)
	if err != nil {
		return fmt.Errorf("--custom-resources-lease: %w", err)
	}
	a.watches = append(a.watches, func(ctx context.Context) {
		a.lead(ctx, client, lease, "this replica writes the status of custom resources", r.writer.Run)
	})
	return nil
}

// ready says why it is not known yet what objects say.
func (r *customResources) ready() error {
	if r.outcome.Load() != nil {
		return nil
	}
	if err := r.follower.Listed(); err != nil {
		return fmt.Errorf("the guardrails of objects are not known yet: %w", err)
	}
	return errors.New("the guardrails of objects are not in force yet")
}

// watchResources puts in force what objects say, whenever that changes.
func (f *guardrailFiles) watchResources(ctx context.Context) {
	r := f.resources
	tick := time.NewTicker(resourcesGlance)
	defer tick.Stop()
	p := pendingResources{files: f, pending: true}
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.follower.Changed():
			select {
			case <-ctx.Done():
				return
			case <-time.After(resourcesDebounce):
			}
			p.pending = true
		case <-tick.C:
		}
		p.settle()
	}
}

// pendingResources are changes of objects, or of what is known of them, until they are in force.
type pendingResources struct {
	files       *guardrailFiles
	pending     bool
	unconfirmed bool // in what is in force
	failed      string
}

// settle puts in force what is not yet. What fails stays pending, and is logged when it is news.
func (p *pendingResources) settle() {
	r := p.files.resources
	if !r.listed() {
		return
	}
	unconfirmed := r.follower.Objects(r.maxAge).Unconfirmed != ""
	if !p.pending && unconfirmed == p.unconfirmed {
		return
	}
	p.files.mu.Lock()
	err := p.files.install(p.files.file)
	p.files.mu.Unlock()
	if err == nil {
		p.pending, p.unconfirmed, p.failed = false, unconfirmed, ""
		return
	}
	p.pending = true
	if text := err.Error(); text != p.failed {
		p.failed = text
		p.files.log.Error("what custom resources say is not in force, what was stays; it is tried again", "error", err)
	}
}

func (r *customResources) listed() bool { return r.follower.Listed() == nil }

// beside is the configuration with what objects say, and what tells that from anything else.
// took is to be called when it is in force.
func (r *customResources) beside(file fileGuardrails, entries bool) (config *guardrail.Config, digest string, took func(), err error) {
	if r == nil || !r.listed() {
		return file.config, "", func() {}, nil
	}
	base := customresource.Base{Library: file.library, Config: file.config, Entries: entries, AtMost: r.atMost}
	next := r.set.Clone() // what is not taken leaves no trace
	outcome := next.Compose(base, r.follower.Objects(r.maxAge), r.now())
	if len(outcome.Lost) > 0 {
		return nil, "", nil, outcome.Lost
	}
	config, err = file.config.Extended(outcome.Instances, outcome.Exemptions)
	if err != nil {
		return nil, "", nil, err
	}
	return config, outcome.Digest(), func() {
		r.set = next
		r.base.Store(&base)
		r.outcome.Store(&outcome)
		r.tellChange(&outcome)
		r.writer.Wake()
	}, nil
}

// tellChange logs what is in force when that has changed.
func (r *customResources) tellChange(o *customresource.Outcome) {
	var names, exemptions []string
	for _, in := range o.Instances {
		names = append(names, in.Name)
	}
	for _, x := range o.Exemptions {
		exemptions = append(exemptions, x.Name)
	}
	if said := o.Digest(); said != r.said {
		r.said = said
		r.log.Info("guardrails of custom resources are in force", "guardrails", names, "exemptions", exemptions)
	}
}

// judged is what became of the objects, as of now: what expires does so without a change.
func (r *customResources) judged() customresource.Outcome {
	o := r.outcome.Load()
	if o == nil {
		return customresource.Outcome{}
	}
	return o.At(r.now())
}

// counted keeps what the audit counts; nil where nobody wants to know.
func (r *customResources) counted() func(map[string]int) {
	if r == nil {
		return nil
	}
	return func(by map[string]int) { r.seen.Store(&by) }
}

// tell writes statuses until what it returns is called, beside an audit.
func (r *customResources) tell(ctx context.Context) (stop func()) {
	if r == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() { r.writer.Run(ctx) })
	return func() {
		cancel()
		wait.Wait()
		r.seen.Store(nil)
	}
}

func (r *customResources) counts(a *app) resourceslive.Counts {
	var out resourceslive.Counts
	if by := r.seen.Load(); by != nil {
		out.Violations = *by
	}
	workloads, err := a.guardrails.engine.Workloads(a.model.Snapshot())
	if err != nil {
		r.log.Error("the workloads of guardrails cannot be counted", "error", err)
		return out
	}
	out.Workloads = workloads
	return out
}

// guardResources answers about the objects themselves.
func (a *app) guardResources(metrics *review.Metrics) error {
	r := a.guardrails.resources
	if r == nil {
		return nil
	}
	rights, err := resourceslive.NewAccessReviews(r.config)
	if err != nil {
		return fmt.Errorf("--custom-resources: %w", err)
	}
	door := resourceslive.NewDoor(resourceslive.DoorOptions{
		Base:      func() customresource.Base { return *r.base.Load() }, // which is there when it is ready
		Instances: func() []guardrail.Instance { return r.judged().Instances },
		Rights:    rights, Log: a.log,
	})
	a.server.Register(resourcesPath, review.NewHandler(door, review.Options{Ready: r.ready, MemoryLimit: memoryLimit(), Logger: a.log, Metrics: metrics, Tracing: a.traces.of(a.options)}))
	return nil
}

// resourceStates counts objects by what became of them.
type resourceStates struct{ *customResources }

var resourceStatesDesc = prometheus.NewDesc("podcullis_custom_resources",
	"Guardrail and Exemption objects, by the reason of their condition Ready: InForce, and why others are not.", []string{"kind", "reason"}, nil)

// Describe implements prometheus.Collector.
func (resourceStates) Describe(c chan<- *prometheus.Desc) { c <- resourceStatesDesc }

// Collect implements prometheus.Collector.
func (s resourceStates) Collect(c chan<- prometheus.Metric) {
	o := s.judged()
	for kind, verdicts := range map[string][]customresource.Verdict{
		"Guardrail": slices.Collect(maps.Values(o.Guardrails)), "Exemption": slices.Collect(maps.Values(o.ExemptionObjects)),
	} {
		count := map[string]int{customresource.ReasonInForce: 0, customresource.ReasonInvalid: 0}
		for _, v := range verdicts {
			count[v.Ready.Reason]++
		}
		for reason, n := range count {
			c <- prometheus.MustNewConstMetric(resourceStatesDesc, prometheus.GaugeValue, float64(n), kind, reason)
		}
	}
}
