package drift

import (
	"errors"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// parse reads the configuration that was meant, as it would be given to kubectl
// apply, and fills in what the API server fills in.
func parse(text []byte) (*admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	c := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := yaml.UnmarshalStrict(text, c); err != nil {
		return nil, err
	}
	if c.APIVersion != admissionregistrationv1.SchemeGroupVersion.String() || c.Kind != "ValidatingWebhookConfiguration" {
		return nil, fmt.Errorf("want a ValidatingWebhookConfiguration of %s, got %q of %q", admissionregistrationv1.SchemeGroupVersion, c.Kind, c.APIVersion)
	}
	if c.Name == "" {
		return nil, errors.New("metadata.name is missing")
	}
	if len(c.Webhooks) == 0 {
		return nil, errors.New("it has no webhooks")
	}
	for i := range c.Webhooks {
		if c.Webhooks[i].Name == "" {
			return nil, fmt.Errorf("webhooks[%d].name is missing", i)
		}
		setDefaults(&c.Webhooks[i])
	}
	return c, nil
}

// setDefaults does what the API server does to a webhook. Its own code for that is
// in k8s.io/kubernetes, which is no library.
func setDefaults(w *admissionregistrationv1.ValidatingWebhook) {
	orDefault(&w.FailurePolicy, admissionregistrationv1.Fail)
	orDefault(&w.MatchPolicy, admissionregistrationv1.Equivalent)
	orDefault(&w.NamespaceSelector, metav1.LabelSelector{})
	orDefault(&w.ObjectSelector, metav1.LabelSelector{})
	orDefault(&w.TimeoutSeconds, 10)
	for i := range w.Rules {
		orDefault(&w.Rules[i].Scope, admissionregistrationv1.AllScopes)
	}
	if s := w.ClientConfig.Service; s != nil {
		orDefault(&s.Port, 443)
	}
}

func orDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
