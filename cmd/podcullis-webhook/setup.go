package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podcullis/podcullis/claims"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/live"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/internal/logline"
	"github.com/podcullis/podcullis/rotation"
	"github.com/podcullis/podcullis/webhook"
	"github.com/podcullis/podcullis/webhook/review"
	"github.com/podcullis/podcullis/webhook/serving"
)

// certificateTimeout is for the first certificate.
const certificateTimeout = 30 * time.Second

// app is the server with everything wired.
type app struct {
	log        *slog.Logger
	lines      *logline.Writer // under the log
	options    *options
	registry   *prometheus.Registry
	guardrails *guardrailFiles
	bundles    *bundles // nil where guardrails are from files
	model      model
	server     *serving.Server
	validity   *serving.Validity
	clock      *apiClock
	watches    []func(context.Context)
}

// model is where the cluster comes from.
type model struct {
	webhook.Model
	// start runs until ctx ends; nil for a model that does not move.
	start     func(ctx context.Context) error
	ready     func() error
	namespace func(ctx context.Context, name string) (*corev1.Namespace, error)
	claims    webhook.Claims
	live      bool
	// inFlight are the changes that were allowed and may not have happened yet; nil
	// where nobody keeps them.
	inFlight *inFlight
}

// setup wires the server: what can be wrong with flags and files is wrong here,
// before anything listens.
func setup(ctx context.Context, o *options, stderr io.Writer) (_ *app, err error) {
	a := &app{options: o, lines: newLines(o, stderr), registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			a.lines.Close(flushTime)
		}
	}()
	a.log = newLogger(o, a.lines)
	countLines(a.lines, a.registry)
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	ctrllog.SetLogger(logr.FromSlogHandler(a.log.Handler()))
	klog.SetLogger(logr.FromSlogHandler(a.log.Handler()))

	a.clock = newAPIClock(a.log, a.registry)
	if err = a.loadGuardrails(ctx); err != nil {
		return nil, err
	}
	if a.model, err = newModel(ctx, o, a.guardrails, a.clock, a.log, a.registry); err != nil {
		return nil, err
	}
	if err := a.followResources(); err != nil {
		return nil, err
	}
	metrics := review.NewMetrics(a.registry)
	certificates, err := a.newCertificates(ctx, serving.NewMetrics(a.registry))
	if err != nil {
		return nil, err
	}
	if err := a.watchForDrift(certificates); err != nil {
		return nil, err
	}
	server := serving.Options{BindAddress: o.bindAddress, MaxSockets: socketsWithin(descriptors()), Certificates: certificates, DrainTimeout: o.drainTimeout, Logger: a.log, Clock: a.clock.Now}
	if o.clientCA != "" {
		if server.Clients, err = serving.LoadClients(o.clientCA, o.clientNames, a.log); err != nil {
			return nil, err
		}
	}
	if a.server, err = serving.NewServer(server); err != nil {
		return nil, err
	}
	judging := webhook.JudgeOptions{
		Evaluator: a.guardrails.engine,
		Model:     a.model,
		Mode:      webhook.Mode(o.mode),
		Namespace: a.model.namespace,
		Remember:  a.model.live,
		Custom:    a.guardrails.custom,
		Entries:   func() bool { return a.guardrails.entries },
		Claims:    a.model.claims,

		Revision:     a.guardrails.engine.Revision,
		Bounds:       o.bounds,
		OwnNamespace: a.ownNamespaceOnly,
		Metrics:      webhook.NewJudgeMetrics(a.registry),
		Log:          a.log,
		Clock:        a.clock.Now,
	}
	a.model.inFlight.into(&judging)
	judge := webhook.NewJudge(judging)
	a.server.Register("/validate", review.NewHandler(judge, review.Options{
		Audit: webhook.Mode(o.mode) == webhook.Audit, Ready: a.model.ready, MemoryLimit: memoryLimit(), Logger: a.log, Metrics: metrics,
	}))
	if err := a.guardSelf(metrics); err != nil {
		return nil, err
	}
	if err := a.guardResources(metrics); err != nil {
		return nil, err
	}
	if err := a.openMemoryDoor(a.server); err != nil {
		return nil, err
	}
	a.tellMessages()
	if err := a.watchForBreaches(); err != nil {
		return nil, err
	}
	a.registry.MustRegister(size{a.model.Snapshot})
	registerBuild(a.registry)
	idle := newIdle(a.guardrails.engine, a.model, a.log, a.registry)
	a.validity = serving.NewValidity(certificates, a.clock.Now, a.registry, a.log)
	a.watches = append(a.watches, a.guardrails.watch, idle.watch, a.validity.Watch, a.model.inFlight.run, newCollector(memoryLimit(), a.log).watch)
	return a, nil
}

// memoryLimit is GOMEMLIMIT in bytes, 0 when there is none.
func memoryLimit() int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return 0
	}
	return limit
}

func (a *app) newCertificates(ctx context.Context, metrics *serving.Metrics) (serving.Certificates, error) {
	if a.options.certSecret != "" {
		if err := a.keepCertificate(ctx); err != nil {
			return nil, err
		}
	}
	if a.options.certDir != "" {
		return serving.LoadCertificates(a.options.certDir, serving.CertificateDirOptions{Logger: a.log, Metrics: metrics})
	}
	c, err := serving.SelfSigned(a.options.selfSignedDir, a.options.selfSignedHosts)
	if err != nil {
		return nil, err
	}
	a.log.Info("self-signed certificate made", "caBundle", c.CAFile)
	return c, nil
}

// keepCertificate has a certificate in --cert-dir, and keeps it there.
func (a *app) keepCertificate(ctx context.Context) error {
	config, err := restConfig(a.options)
	if err != nil {
		return fmt.Errorf("--certificate-secret: %w", err)
	}
	a.clock.listen(config)
	c, err := client.New(rest.AddUserAgent(config, "podcullis-webhook/"+version), client.Options{})
	if err != nil {
		return fmt.Errorf("--certificate-secret: API server: %w", err)
	}
	namespace, name, _ := strings.Cut(a.options.certSecret, "/")
	keeper := rotation.New(rotation.Options{
		Client: c, Secret: types.NamespacedName{Namespace: namespace, Name: name},
		Configuration: a.options.webhookConfig, Hosts: a.options.certHosts, Dir: a.options.certDir, Log: a.log, Now: a.clock.Now,
	})
	ctx, cancel := context.WithTimeout(ctx, certificateTimeout)
	defer cancel()
	if err := keeper.Keep(ctx); err != nil {
		return err
	}
	a.watches = append(a.watches, keeper.Watch)
	return nil
}

// newModel chooses the source of the cluster: files, an API server, or nothing.
func newModel(ctx context.Context, o *options, guardrails *guardrailFiles, clock *apiClock, log *slog.Logger, registry prometheus.Registerer) (model, error) {
	if len(o.clusterManifests) > 0 {
		set, err := manifest.Read(manifest.Input{Sources: o.clusterManifests, Stored: true, Bounds: o.bounds, Entries: guardrails.entries})
		if err != nil {
			return model{}, err
		}
		for _, n := range set.Notes {
			log.Warn("cluster manifests", "at", n.Location.String(), "note", n.Text)
		}
		s, err := set.Snapshot()
		return model{Model: still{s}}, err
	}
	config, err := restConfig(o)
	switch {
	case errors.Is(err, rest.ErrNotInCluster):
		log.Warn("neither --kubeconfig nor --cluster-manifests given: the cluster is taken to be empty")
		return model{Model: still{&cluster.Snapshot{}}}, nil
	case err != nil:
		return model{}, err
	}
	clock.listen(config)
	return newLiveModel(ctx, config, guardrails, o, log, registry)
}

func restConfig(o *options) (*rest.Config, error) {
	if o.kubeconfig == "" {
		return rest.InClusterConfig()
	}
	c, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	return c, nil
}

// probesInStaleness is how many questions to the API server may be lost, one
// after the other, before the model counts as stale.
const probesInStaleness = 5

// newLiveModel follows an API server, which need not be there yet.
func newLiveModel(ctx context.Context, config *rest.Config, guardrails *guardrailFiles, o *options, log *slog.Logger, registry prometheus.Registerer) (model, error) {
	config, maxStaleness := rest.AddUserAgent(config, "podcullis-webhook/"+version), o.maxStaleness
	limits := cluster.DefaultMemoryLimits()
	limits.For = o.rememberFor
	direct, err := client.New(config, client.Options{})
	if err != nil {
		return model{}, fmt.Errorf("API server: %w", err)
	}
	source, err := live.NewSource(config)
	if err != nil {
		return model{}, err
	}
	probe, err := live.NewProbe(config)
	if err != nil {
		return model{}, err
	}
	discovery, err := live.NewDiscovery(config)
	if err != nil {
		return model{}, err
	}
	standing, err := claims.New(config, registry)
	if err != nil {
		return model{}, err
	}
	options := live.Options{
		Log: log, Custom: guardrails.custom, Entries: guardrails.entries, Reader: direct, Discovery: discovery, Probe: probe, ProbePeriod: maxStaleness / probesInStaleness,
		Memory: limits, Bounds: o.bounds,
	}
	if o.memoryFrom != "" {
		others, err := newMemorySource(o, config, log)
		if err != nil {
			return model{}, err
		}
		options.AskOthers = others.ask
	}
	inFlight, err := newInFlight(ctx, o, config, guardrails, log, registry)
	if err != nil {
		return model{}, err
	}
	options.Observer = inFlight.observer()
	if options.Metadata, err = metadata.NewForConfig(unlimited(config)); err != nil {
		return model{}, fmt.Errorf("API server: %w", err)
	}
	m := live.New(source, options)
	inFlight.follows(m)
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "podcullis_model_stale_seconds",
		Help: "For how long the model of the cluster may be out of date. Above --max-staleness nothing is judged.",
	}, func() float64 {
		age, _ := m.Age()
		return age.Seconds()
	}))
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "podcullis_policy_kinds_unread",
		Help: "Kinds of other network policy APIs that are served and cannot be listed. Each counts as if an object were there that may do all that the kind can do.",
	}, func() float64 { return float64(m.UnreadPolicyKinds()) }))
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "podcullis_model_remembered",
		Help: "Classes of pods and templates that are gone and still count as having been there (--remember-for).",
	}, func() float64 { return float64(m.Snapshot().Memory().Len()) }))
	return model{
		Model:    m,
		live:     true,
		inFlight: inFlight,
		claims:   standing,
		start:    m.Start,
		ready: func() error {
			if !m.Synced() {
				return errors.New("the model is not synced with the API server yet")
			}
			if age, kind := m.Age(); age > maxStaleness {
				return fmt.Errorf("the model may be out of date: for %s the API server has not confirmed that the newest %s is known (--max-staleness %s)",
					age.Round(time.Second), kind, maxStaleness)
			}
			return nil
		},
		namespace: func(ctx context.Context, name string) (*corev1.Namespace, error) {
			ns := &corev1.Namespace{}
			return ns, direct.Get(ctx, client.ObjectKey{Name: name}, ns)
		},
	}, nil
}

// still is a model that does not move.
type still struct{ snapshot *cluster.Snapshot }

func (s still) Snapshot() *cluster.Snapshot { return s.snapshot }

func (s still) WaitFor(_ context.Context, condition func(*cluster.Snapshot) bool) bool {
	return condition(s.snapshot)
}

// run serves until ctx ends. The probes and metrics outlive the webhook's drain,
// and so does the model: requests are judged to the last.
func (a *app) run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, background := errgroup.WithContext(background)
	for _, watch := range a.watches {
		g.Go(func() error { watch(background); return nil })
	}
	if a.model.start != nil {
		g.Go(func() error { return a.model.start(background) })
	}
	ready := map[string]healthz.Checker{"webhook": a.server.StartedChecker(), "certificate": a.validity.Checker()}
	if a.bundles != nil {
		ready["bundle"] = a.bundles.check
	}
	if a.model.ready != nil {
		ready["model"] = func(*http.Request) error { return a.model.ready() }
	}
	if err := a.listen(background, g, "probes", a.options.probeAddress, serving.NewHealthHandler(map[string]healthz.Checker{"log": a.logIsRead}, ready)); err != nil {
		return err
	}
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{Registry: a.registry}))
	if err := a.listen(background, g, "metrics", a.options.metricsAddress, metrics); err != nil {
		return err
	}
	address, err := a.server.Listen(background)
	if err != nil {
		return err
	}
	a.log.Info("serving", "address", address.String(), "path", "/validate", "mode", a.options.mode, "guardrails", a.guardrails.engine.Guardrails(), "version", version)
	g.Go(func() error {
		defer stop()
		serving, cancel := context.WithCancel(background)
		defer context.AfterFunc(ctx, cancel)()
		defer cancel()
		return a.server.Start(serving)
	})
	return g.Wait()
}

// listen serves plain HTTP beside the webhook, until ctx ends.
func (a *app) listen(ctx context.Context, g *errgroup.Group, what, address string, h http.Handler) error {
	if address == "0" {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for %s: %w", what, err)
	}
	a.log.Info("listening", "for", what, "address", l.Addr().String())
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return nil
}
