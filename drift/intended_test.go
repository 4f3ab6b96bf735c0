package drift

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/podcullis/podcullis/webhook"
	"github.com/podcullis/podcullis/webhook/serving"
)

const host = "podcullis-webhook.podcullis.svc"

// installed leaves out what the API server fills in.
const installed = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: podcullis}
webhooks:
- name: netpols.podcullis.io
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 5
  clientConfig: &us
    service: {namespace: podcullis, name: podcullis-webhook, path: /validate}
  namespaceSelector:
    matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: [podcullis]}
  matchConditions:
  - {name: always, expression: "true"}
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE, DELETE], resources: [namespaces]}
  - {apiGroups: [networking.k8s.io], apiVersions: [v1], operations: [CREATE, UPDATE, DELETE], resources: [networkpolicies]}
- name: workloads.podcullis.io
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: *us
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE, DELETE], resources: [pods, pods/status, pods/binding]}
  - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE, DELETE], resources: [deployments, statefulsets]}
`

// fixture is what was installed, and the CA that the server has told the API server since.
type fixture struct {
	intended
	ca          []byte
	certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

func newIntended(t *testing.T) fixture {
	t.Helper()
	configuration, err := parse([]byte(installed))
	if err != nil {
		t.Fatal(err)
	}
	c := certificate(t, host)
	pair, err := c.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{intended{configuration: configuration, doors: webhook.Resources(), certificate: pair}, c.CABundle, c.GetCertificate}
}

func (f fixture) live() *admissionregistrationv1.ValidatingWebhookConfiguration {
	live := f.configuration.DeepCopy()
	for i := range live.Webhooks {
		live.Webhooks[i].ClientConfig.CABundle = f.ca
	}
	return live
}

func certificate(t *testing.T, hosts ...string) *serving.SelfSignedCertificate {
	t.Helper()
	c, err := serving.SelfSigned(t.TempDir(), hosts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseRefuses(t *testing.T) {
	cases := map[string]struct{ reason, text, want string }{
		"UnknownField": {"a misspelt one would be a difference for ever", "webhook: []", `error unmarshaling JSON: while decoding JSON: json: unknown field "webhook"`},
		"OtherKind":    {"the mutating one is another object", "{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration}", `want a ValidatingWebhookConfiguration of admissionregistration.k8s.io/v1, got "MutatingWebhookConfiguration" of "admissionregistration.k8s.io/v1"`},
		"NoName":       {"it is read by its name", "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration}", "metadata.name is missing"},
		"NoWebhooks":   {"nothing is like everything then", "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: a}}", "it has no webhooks"},
		"NoEntryName":  {"entries are brought together by it", "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: a}, webhooks: [{}]}", "webhooks[0].name is missing"},
		"Empty":        {"a file that is not there yet", "", `want a ValidatingWebhookConfiguration of admissionregistration.k8s.io/v1, got "" of ""`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(tc.text))
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s: %s", err, tc.want, tc.reason)
			}
		})
	}
}

// What another name or an expired CA comes to, without the time of day.
func TestBundleSaysWhy(t *testing.T) {
	f := newIntended(t)
	verify := func(c *serving.SelfSignedCertificate) []string {
		f.intended.certificate, _ = c.GetCertificate(nil)
		live := f.configuration.DeepCopy()
		for i := range live.Webhooks {
			live.Webhooks[i].ClientConfig.CABundle = c.CABundle
		}
		return f.differences(live)
	}
	if got := verify(certificate(t, host)); got != nil {
		t.Errorf("a certificate of the CA: %q", got)
	}
	const want = "webhook netpols.podcullis.io: clientConfig.caBundle does not verify the certificate that is served for podcullis-webhook.podcullis.svc: x509: certificate is valid for localhost, other.svc, not podcullis-webhook.podcullis.svc"
	if got := verify(certificate(t, "other.svc")); len(got) != 2 || got[0] != want {
		t.Errorf("a certificate for another name: %q", got)
	}
	if got := reason(x509.CertificateInvalidError{Reason: x509.Expired, Detail: "current time 12:00"}); got != "it, or its CA, has expired or is not valid yet" {
		t.Errorf("expired: %s", got)
	}
}
