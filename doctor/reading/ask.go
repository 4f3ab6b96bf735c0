package reading

import (
	"context"
	"strings"
	"sync"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/doctor"
)

// canary is the NetworkPolicy that the chart's guardrail podcullis-canary refuses.
const canary = "podcullis-canary"

// Ask submits, as a dry run, what has to be refused, and tells what the API server says.
func Ask(ctx context.Context, config *rest.Config, namespace string) (*doctor.Asked, error) {
	heard := &warnings{}
	config = rest.CopyConfig(config)
	config.WarningHandler, config.WarningHandlerWithContext = nil, heard
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	_, err = client.NetworkingV1().NetworkPolicies(namespace).Create(ctx, &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: canary},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"podcullis.io/canary": "none"}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	outcome, said := outcomeOf(err, heard.all())
	return &doctor.Asked{Namespace: namespace, Outcome: outcome, Said: said}, nil
}

// outcomeOf reads an answer. Other webhooks may refuse, too, and their calls may fail.
func outcomeOf(err error, warnings []string) (doctor.Outcome, string) {
	if err == nil {
		for _, w := range warnings {
			if strings.Contains(w, canary) {
				return doctor.Warned, w
			}
		}
		return doctor.Silent, strings.Join(warnings, "; ")
	}
	text := err.Error()
	ours := strings.Contains(text, doctor.OwnDomain+`"`)
	switch {
	case ours && strings.Contains(text, "denied the request"):
		first, _, _ := strings.Cut(text, "\n")
		return doctor.Refused, first
	case ours && strings.Contains(text, "failed calling webhook"), ours && apierrors.IsInternalError(err):
		return doctor.CallFailed, text
	}
	return doctor.NotAsked, text
}

// warnings collects what the API server sends beside an answer.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.texts
}
