package main

import (
	"errors"
	"fmt"

	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/selfguard"
	"github.com/podcullis/podcullis/webhook"
	"github.com/podcullis/podcullis/webhook/review"
)

// selfGuardPath is where the API server asks about changes of Podcullis' own namespace.
const selfGuardPath = "/self"

// guardSelf answers about what would cut this server off from the API server.
func (a *app) guardSelf(metrics *review.Metrics) error {
	if a.options.selfGuard == "" {
		return nil
	}
	o := selfguard.Options{File: a.options.selfGuard, Model: a.model, DryRun: webhook.Mode(a.options.mode) == webhook.Audit, Log: a.log}
	config, err := restConfig(a.options)
	switch {
	case errors.Is(err, rest.ErrNotInCluster):
	case err != nil:
		return err
	default:
		if o.Rights, err = selfguard.NewAccessReviews(rest.AddUserAgent(config, "podcullis-webhook/"+version)); err != nil {
			return fmt.Errorf("--self-guard: %w", err)
		}
	}
	guard, err := selfguard.New(o)
	if err != nil {
		return fmt.Errorf("--self-guard: %w", err)
	}
	a.server.Register(selfGuardPath, review.NewHandler(guard, review.Options{
		Audit: o.DryRun, Ready: a.model.ready, MemoryLimit: memoryLimit(), Logger: a.log, Metrics: metrics,
		Tracing: a.traces.of(a.options),
	}))
	return nil
}
