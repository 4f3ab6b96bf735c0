package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/webhook"
)

// canaryName is the name of the NetworkPolicy that the chart's guardrail
// podcullis-canary refuses when it comes as a dry run, and of that guardrail.
const canaryName = "podcullis-canary"

const (
	canaryPeriod = 2 * time.Second
	// canaryTimeout is for a configuration, a certificate or an API server that has
	// only just been told of each other.
	canaryTimeout = time.Minute
)

// submitCanary submits, as a server-side dry run, what has to be refused, until it
// is; the error says what happened instead. In mode audit it has to be warned of.
func submitCanary(ctx context.Context, o *options, stdout io.Writer) error {
	config, err := restConfig(o)
	if err != nil {
		return err
	}
	warnings := &collectedWarnings{}
	config.WarningHandlerWithContext = warnings
	c, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	var instead error
	err = wait.PollUntilContextTimeout(ctx, canaryPeriod, canaryTimeout, true, func(ctx context.Context) (bool, error) {
		warnings.texts = nil
		refusal := c.Create(ctx, canaryIn(o.canary), client.DryRunAll)
		if instead = judgeCanary(webhook.Mode(o.mode), refusal, warnings.texts); instead != nil {
			return false, nil //nolint:nilerr // asked again; the last one is told
		}
		said := strings.Join(warnings.texts, "\n")
		if refusal != nil {
			said = refusal.Error()
		}
		fmt.Fprintf(stdout, "a NetworkPolicy that has to be refused was submitted to namespace %s, as a dry run. The answer, as it should be in mode %s:\n%s\n", o.canary, o.mode, said)
		return true, nil
	})
	if err != nil && instead != nil {
		return instead
	}
	return err
}

// judgeCanary says what is wrong with an answer.
func judgeCanary(mode webhook.Mode, refusal error, warnings []string) error {
	warned := strings.Contains(strings.Join(warnings, "\n"), canaryName)
	refused := refusal != nil && strings.Contains(refusal.Error(), "denied the request") && strings.Contains(refusal.Error(), canaryName)
	switch {
	case mode == webhook.Enforce && refused, mode == webhook.Audit && refusal == nil && warned:
		return nil
	case refused:
		return fmt.Errorf("mode audit refuses nothing, and this was refused: %w", refusal)
	case refusal != nil:
		return fmt.Errorf("the API server did not get an answer of Podcullis: %w", refusal)
	case warned:
		return errors.New("mode enforce, and there was only a warning: " + strings.Join(warnings, "; "))
	}
	return errors.New("the API server accepted it without a word: either it does not ask Podcullis about this namespace (the webhook's namespaceSelector, exclude.namespaces of the configuration), or no replica answered and failurePolicy is Ignore")
}

func canaryIn(namespace string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: canaryName},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"podcullis.io/canary": "none"}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		},
	}
}

// collectedWarnings are what the API server sends beside an answer.
type collectedWarnings struct{ texts []string }

var _ rest.WarningHandlerWithContext = (*collectedWarnings)(nil)

func (w *collectedWarnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.texts = append(w.texts, text)
}
