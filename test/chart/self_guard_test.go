package chart

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/selfguard"
)

// selfGuard is the webhook for the namespace of the release.
const selfGuard = "self.podcullis.io"

// judging are the webhooks of the guardrails.
func judging(t *testing.T, r release) []admissionregistrationv1.ValidatingWebhook {
	t.Helper()
	all := one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r).Webhooks
	return slices.DeleteFunc(slices.Clone(all), func(w admissionregistrationv1.ValidatingWebhook) bool { return w.Name == selfGuard })
}

// The self-guard is asked about its own namespace and no other, is in nobody's way when
// it does not answer, and knows the release as it is.
func TestSelfGuard(t *testing.T) {
	for name, values := range map[string]string{
		"Default":    "",
		"Enforce":    "mode: enforce\nwebhook: {netpols: {failurePolicy: Fail}, workloads: {failurePolicy: Fail}}",
		"OtherPorts": "{service: {port: 8443}, ports: {webhook: 10250}, networkPolicy: {apiServerCIDRs: [172.16.0.0/28], apiServerPorts: [8443]}}",
		"Renamed":    "{fullnameOverride: gate, nameOverride: keeper}",
		"NoNetpol":   "networkPolicy: {enabled: false}",
	} {
		t.Run(name, func(t *testing.T) {
			r := install(t, values)
			webhooks := one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r).Webhooks
			at := slices.IndexFunc(webhooks, func(w admissionregistrationv1.ValidatingWebhook) bool { return w.Name == selfGuard })
			if at < 0 {
				t.Fatal("there is none")
			}
			w := webhooks[at]
			selector, err := metav1.LabelSelectorAsSelector(w.NamespaceSelector)
			if err != nil || !selector.Matches(labels.Set{"kubernetes.io/metadata.name": namespace}) || selector.Matches(labels.Set{"kubernetes.io/metadata.name": "shop"}) {
				t.Errorf("namespaces %v, %v", w.NamespaceSelector, err)
			}
			if *w.FailurePolicy != admissionregistrationv1.Ignore || *w.TimeoutSeconds > 3 || *w.SideEffects != admissionregistrationv1.SideEffectClassNone {
				t.Errorf("failurePolicy %s, timeout %d, sideEffects %s", *w.FailurePolicy, *w.TimeoutSeconds, *w.SideEffects)
			}
			knowsTheRelease(t, r)
		})
	}
	off := install(t, "selfGuard: {enabled: false}")
	if got := len(one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, off).Webhooks); got != 2 {
		t.Errorf("switched off there are %d webhooks", got)
	}
	if args := one[*appsv1.Deployment](t, off).Spec.Template.Spec.Containers[0].Args; slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--self-guard") }) {
		t.Errorf("switched off: %v", args)
	}
	allowed := install(t, "selfGuard: {allowCutOff: true}")
	for kind, got := range map[string]map[string]string{
		"Service": one[*corev1.Service](t, allowed).Annotations, "NetworkPolicy": netpolOf(t, allowed, one[*appsv1.Deployment](t, allowed).Name).Annotations,
	} {
		if got[selfguard.Annotation] != selfguard.Meant {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

func knowsTheRelease(t *testing.T, r release) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "self.yaml")
	if err := os.WriteFile(file, []byte(one[*corev1.ConfigMap](t, r).Data["self.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := selfguard.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	service, deployment := one[*corev1.Service](t, r), one[*appsv1.Deployment](t, r)
	if !slices.Contains(deployment.Spec.Template.Spec.Containers[0].Args, "--self-guard=/etc/podcullis/configuration/self.yaml") {
		t.Errorf("args %v", deployment.Spec.Template.Spec.Containers[0].Args)
	}
	port, ours := service.Spec.Ports[0], deployment.Spec.Template.Spec.Containers[0].Ports[0]
	if s.Namespace != service.Namespace || s.Service != service.Name || s.Deployment != deployment.Name || s.ServicePort != port.Port ||
		s.PortName != port.TargetPort.StrVal || s.PortName != ours.Name || int32(s.PodPort) != ours.ContainerPort ||
		labels.Set(s.Selector).String() != labels.Set(service.Spec.Selector).String() ||
		s.WebhookConfiguration != one[*admissionregistrationv1.ValidatingWebhookConfiguration](t, r).Name {
		t.Errorf("it knows %+v", s)
	}
}
