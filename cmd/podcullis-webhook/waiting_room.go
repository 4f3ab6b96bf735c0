package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/healthz"

	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/webhook/serving"
)

// loadGuardrails has guardrails in force, and waits for the first bundle where there are none yet.
func (a *app) loadGuardrails(ctx context.Context) (err error) {
	var first *bundle.Bundle
	if a.options.bundle.on() {
		if a.bundles, err = newBundles(a.options, a.log, a.registry, time.Now); err != nil {
			return err
		}
		if first, err = a.firstBundle(ctx); err != nil {
			return err
		}
	}
	if a.guardrails, err = loadGuardrails(a.options, first, a.log, a.registry); err != nil {
		return err
	}
	if a.bundles != nil {
		a.guardrails.good.Set(a.bundles.newestInForce())
		a.watches = append(a.watches, func(ctx context.Context) { a.bundles.follow(ctx, a.guardrails) })
	}
	return nil
}

// firstBundle waits for a good bundle. What is watched is chosen by it, so nothing else can begin before;
// but kubelet and people are told that this is alive, not ready, and why.
func (a *app) firstBundle(ctx context.Context) (*bundle.Bundle, error) {
	room, leave := context.WithCancel(ctx)
	defer leave()
	g, room := errgroup.WithContext(room)
	open := func() error {
		probes := serving.NewHealthHandler(map[string]healthz.Checker{"log": a.logIsRead}, map[string]healthz.Checker{"bundle": a.bundles.check})
		if err := a.listen(room, g, "probes", a.options.probeAddress, probes); err != nil {
			return err
		}
		metrics := http.NewServeMux()
		metrics.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{Registry: a.registry}))
		return a.listen(room, g, "metrics", a.options.metricsAddress, metrics)
	}
	first, err := a.bundles.first(ctx, open)
	leave()
	if closed := g.Wait(); err == nil {
		err = closed
	}
	return first, err
}
