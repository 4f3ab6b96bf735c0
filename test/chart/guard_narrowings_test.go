package chart

import (
	"reflect"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// narrowings change the webhook configuration in each field that there is, by the path of
// the field. All are such that an API server accepts them. other is another CA.
func narrowings(other []byte) map[string]func(*admissionregistrationv1.ValidatingWebhookConfiguration) {
	type (
		configuration = admissionregistrationv1.ValidatingWebhookConfiguration
		webhook       = admissionregistrationv1.ValidatingWebhook
	)
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"judged": "yes"}}
	changes := map[string]func(*webhook){
		"name":                    func(w *webhook) { w.Name = "other.podcullis.io" },
		"rules":                   func(w *webhook) { w.Rules = w.Rules[:1] },
		"rules.operations":        func(w *webhook) { w.Rules[0].Operations = w.Rules[0].Operations[:1] },
		"rules.none":              func(w *webhook) { w.Rules = nil },
		"failurePolicy":           func(w *webhook) { *w.FailurePolicy = otherPolicy(*w.FailurePolicy) },
		"matchPolicy":             func(w *webhook) { w.MatchPolicy = new(admissionregistrationv1.Exact) },
		"namespaceSelector":       func(w *webhook) { w.NamespaceSelector = selector },
		"objectSelector":          func(w *webhook) { w.ObjectSelector = selector },
		"sideEffects":             func(w *webhook) { w.SideEffects = new(admissionregistrationv1.SideEffectClassNoneOnDryRun) },
		"timeoutSeconds":          func(w *webhook) { w.TimeoutSeconds = new(int32(1)) },
		"admissionReviewVersions": func(w *webhook) { w.AdmissionReviewVersions = []string{"v1", "v1beta1"} },
		"matchConditions": func(w *webhook) {
			w.MatchConditions = append(w.MatchConditions, admissionregistrationv1.MatchCondition{Name: "never", Expression: "false"})
		},
		"clientConfig.url":          func(w *webhook) { w.ClientConfig.Service, w.ClientConfig.URL = nil, new("https://example.com/") },
		"clientConfig.service":      func(w *webhook) { w.ClientConfig.Service.Namespace = "elsewhere" },
		"clientConfig.service.path": func(w *webhook) { w.ClientConfig.Service.Path = new("/healthz") },
		"clientConfig.caBundle":     func(w *webhook) { w.ClientConfig.CABundle = append([]byte("# another\n"), other...) },
	}
	out := map[string]func(*configuration){
		"webhooks":     func(c *configuration) { c.Webhooks = nil },
		"webhooks.one": func(c *configuration) { c.Webhooks = c.Webhooks[:1] },
		"webhooks.more": func(c *configuration) {
			c.Webhooks = append(c.Webhooks, *c.Webhooks[0].DeepCopy())
			c.Webhooks[len(c.Webhooks)-1].Name = "more.podcullis.io"
		},
		"metadata.labels":      func(c *configuration) { c.Labels["app.kubernetes.io/instance"] = "other" },
		"metadata.annotations": func(c *configuration) { c.Annotations["cert-manager.io/inject-ca-from"] = "elsewhere/own" },
		"metadata.ownerReferences": func(c *configuration) {
			c.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Namespace", Name: "gone", UID: "8d8e8a6e-0000-4000-8000-000000000000"}}
		},
		"metadata.finalizers": func(c *configuration) { c.Finalizers = []string{"example.com/never"} },
	}
	for name, change := range changes {
		out[name] = func(c *configuration) { change(&c.Webhooks[len(c.Webhooks)-1]) }
	}
	return out
}

func otherPolicy(p admissionregistrationv1.FailurePolicyType) admissionregistrationv1.FailurePolicyType {
	if p == admissionregistrationv1.Fail {
		return admissionregistrationv1.Ignore
	}
	return admissionregistrationv1.Fail
}

// A field that a later API adds fails this test, until somebody tries it.
func TestNarrowingsCoverEveryField(t *testing.T) {
	all := narrowings(nil)
	for _, at := range []struct {
		prefix string
		of     reflect.Type
	}{
		{"", reflect.TypeFor[admissionregistrationv1.ValidatingWebhook]()},
		{"clientConfig.", reflect.TypeFor[admissionregistrationv1.WebhookClientConfig]()},
	} {
		for field := range at.of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if all[at.prefix+name] == nil && name != "clientConfig" {
				t.Errorf("no attempt changes %s%s", at.prefix, name)
			}
		}
	}
}
