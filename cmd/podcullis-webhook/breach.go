package main

import (
	"fmt"
	"os"

	eventsv1 "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/breach"
	"github.com/podcullis/podcullis/cluster/live"
	"github.com/podcullis/podcullis/webhook"
)

// watchForBreaches reports what got in without us, and has what is there audited. A model that does not follow an API
// server has nothing to report.
func (a *app) watchForBreaches() error {
	model, ok := a.model.Model.(*live.Model)
	if !ok || !a.options.watchViolations && !a.options.audit.on {
		return nil
	}
	options := breach.Options{
		Model: model, InForce: a.guardrails.engine.InForce, DryRun: webhook.Mode(a.options.mode) == webhook.Audit,
		Registry: a.registry, Log: a.log,
	}
	var events *breach.Events
	if a.options.events {
		var err error
		if events, err = a.newEvents(); err != nil {
			return err
		}
		options.Tell = events.Tell
		a.watches = append(a.watches, events.Watch)
	}
	if a.options.watchViolations {
		a.watches = append(a.watches, breach.New(options).Watch)
	}
	return a.auditCluster(events)
}

func (a *app) newEvents() (*breach.Events, error) {
	config, err := restConfig(a.options)
	if err != nil {
		return nil, fmt.Errorf("--events: %w", err)
	}
	client, err := eventsv1.NewForConfig(rest.AddUserAgent(config, "podcullis-webhook/"+version))
	if err != nil {
		return nil, fmt.Errorf("--events: API server: %w", err)
	}
	instance, err := os.Hostname()
	if err != nil {
		instance = "podcullis-webhook"
	}
	return breach.NewEvents(breach.EventOptions{
		Creator:  func(namespace string) breach.EventCreator { return client.Events(namespace) },
		Instance: instance, Custom: a.guardrails.custom, Registry: a.registry, Log: a.log,
	}), nil
}
