package server

import (
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/webhook"
)

// Entry is a webhook of a ValidatingWebhookConfiguration as the chart makes it: all resources
// that can open a path, in all namespaces but those named.
func Entry(name string, client admissionregistrationv1.WebhookClientConfig, policy admissionregistrationv1.FailurePolicyType, excluded ...string) admissionregistrationv1.ValidatingWebhook {
	return admissionregistrationv1.ValidatingWebhook{
		Name:                    name,
		ClientConfig:            client,
		Rules:                   rules(),
		FailurePolicy:           &policy,
		MatchPolicy:             new(admissionregistrationv1.Equivalent),
		SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
		TimeoutSeconds:          new(int32(10)),
		AdmissionReviewVersions: []string{"v1"},
		NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpNotIn, Values: excluded},
		}},
	}
}

func rules() []admissionregistrationv1.RuleWithOperations {
	var out []admissionregistrationv1.RuleWithOperations
	for _, r := range webhook.Resources() {
		group, resource, _ := strings.Cut(r, "/")
		out = append(out, Rule(group, "v1", resource, "CREATE", "UPDATE", "DELETE"))
	}
	return out
}

// Rule is for one resource in any scope.
func Rule(group, version, resource string, operations ...admissionregistrationv1.OperationType) admissionregistrationv1.RuleWithOperations {
	return admissionregistrationv1.RuleWithOperations{Operations: operations, Rule: admissionregistrationv1.Rule{
		APIGroups: []string{group}, APIVersions: []string{version}, Resources: []string{resource}, Scope: new(admissionregistrationv1.AllScopes),
	}}
}

// At is a webhook at a loopback address.
func At(address string, ca []byte) admissionregistrationv1.WebhookClientConfig {
	return admissionregistrationv1.WebhookClientConfig{URL: new("https://" + address + "/validate"), CABundle: ca}
}
