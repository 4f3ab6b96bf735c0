package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/drift"
	"github.com/podcullis/podcullis/webhook"
	"github.com/podcullis/podcullis/webhook/serving"
)

// watchForDrift compares the webhook configuration that there is with
// --expected-webhooks. What it finds changes no answer and no readiness: nobody is
// helped by a replica that does not answer those who still ask.
func (a *app) watchForDrift(certificates serving.Certificates) error {
	// A vector without labels, so that a server that compares nothing, or has had no
	// answer yet, shows nothing rather than 0.
	differences := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "podcullis_webhook_configuration_drift",
		Help: "In how many ways the webhook configuration differs from the one that was installed; the log names them.",
	}, nil)
	a.registry.MustRegister(differences)
	if a.options.expectedWebhooks == "" {
		return nil
	}
	config, err := restConfig(a.options)
	if err != nil {
		return fmt.Errorf("--expected-webhooks: %w", err)
	}
	c, err := admissionregistrationv1.NewForConfig(rest.AddUserAgent(config, "podcullis-webhook/"+version))
	if err != nil {
		return fmt.Errorf("--expected-webhooks: API server: %w", err)
	}
	watcher, err := drift.New(drift.Options{
		File: a.options.expectedWebhooks, Reader: c.ValidatingWebhookConfigurations(),
		Resources: webhook.Resources(), Certificate: certificates.GetCertificate, Log: a.log,
		Report: func(n int) { differences.WithLabelValues().Set(float64(n)) },
	})
	if err != nil {
		return fmt.Errorf("--expected-webhooks: %w", err)
	}
	a.watches = append(a.watches, watcher.Watch)
	return nil
}
