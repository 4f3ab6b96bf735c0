package reading_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/doctor"
	"github.com/podcullis/podcullis/doctor/reading"
	"github.com/podcullis/podcullis/test/controlplane"
)

// authority signs certificates of stand-ins.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}
}

func (a authority) serving(t *testing.T, until time.Time) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "webhook"}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// stand is a stand-in for the webhook, and how it is registered.
type stand struct {
	t           *testing.T
	plane       *controlplane.ControlPlane
	admin       *kubernetes.Clientset
	ca          authority
	certificate atomic.Pointer[tls.Certificate]
	warns       atomic.Bool // it warns instead of refusing
	silent      atomic.Bool // it objects to nothing
	url         string
	server      *httptest.Server
}

func newStand(t *testing.T) *stand {
	s := &stand{t: t, plane: controlplane.Start(t, controlplane.Options{}), ca: newAuthority(t, "ours")}
	var err error
	if s.admin, err = kubernetes.NewForConfig(s.plane.REST()); err != nil {
		t.Fatal(err)
	}
	s.certificate.Store(s.ca.serving(t, time.Now().Add(90*24*time.Hour)))
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(s.answer))
	s.server.TLS = &tls.Config{ // every connection sees the certificate of the moment
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate.Load(), nil },
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{Certificates: []tls.Certificate{*s.certificate.Load()}, NextProtos: []string{"http/1.1"}}, nil
		},
	}
	s.server.Config.SetKeepAlivesEnabled(false)
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	s.url = s.server.URL + "/validate"
	for _, namespace := range []string{"podcullis", "shop"} {
		if err := s.plane.CreateNamespace(t.Context(), namespace, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// answer refuses the canary, as the chart's guardrail does.
func (s *stand) answer(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	if json.NewDecoder(r.Body).Decode(&review) != nil || review.Request == nil {
		http.Error(w, "no review", http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	if review.Request.Name == "podcullis-canary" && !s.silent.Load() {
		if s.warns.Load() {
			review.Response.Warnings = []string{"would be denied: [podcullis-canary] refused"}
		} else {
			review.Response.Allowed = false
			review.Response.Result = &metav1.Status{Message: "1 guardrail denies this change: [podcullis-canary] refused"}
		}
	}
	_ = json.NewEncoder(w).Encode(review)
}

// configuration is that of the chart, in small.
func (s *stand) configuration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	hook := func(name string, rules ...admissionregistrationv1.RuleWithOperations) admissionregistrationv1.ValidatingWebhook {
		return admissionregistrationv1.ValidatingWebhook{
			Name: name, AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			FailurePolicy: new(admissionregistrationv1.Fail), TimeoutSeconds: new(int32(3)),
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &s.url, CABundle: s.ca.pem},
			NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
				Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpNotIn, Values: []string{"podcullis", "kube-system"},
			}}},
			Rules: rules,
		}
	}
	rule := func(group string, resources ...string) admissionregistrationv1.RuleWithOperations {
		return admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{"CREATE", "UPDATE", "DELETE"},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: resources},
		}
	}
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration"},
		ObjectMeta: metav1.ObjectMeta{Name: "podcullis"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{
			hook("netpols.podcullis.io", rule("", "namespaces", "namespaces/status"), rule("networking.k8s.io", "networkpolicies")),
			hook("workloads.podcullis.io", rule("", "pods", "pods/status", "bindings"), rule("apps", "deployments")),
		},
	}
}

// doors are those of configuration.
func doors() []string {
	return []string{"/pods", "/pods/status", "/bindings", "/namespaces", "/namespaces/status", "networking.k8s.io/networkpolicies", "apps/deployments"}
}

// install writes the configuration and, as the chart does, a copy of it without the CA.
func (s *stand) install(copied bool) {
	s.t.Helper()
	ctx := s.t.Context()
	c := s.configuration()
	if _, err := s.admin.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(ctx, c, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	if !copied {
		return
	}
	for i := range c.Webhooks {
		c.Webhooks[i].ClientConfig.CABundle = nil
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = s.admin.CoreV1().ConfigMaps("podcullis").Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "podcullis", Labels: map[string]string{"app.kubernetes.io/part-of": "podcullis"}},
		Data:       map[string]string{"webhooks.yaml": string(text)},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}

// change changes the configuration that the API server has.
func (s *stand) change(how func(*admissionregistrationv1.ValidatingWebhookConfiguration)) {
	s.t.Helper()
	configurations := s.admin.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	c, err := configurations.Get(s.t.Context(), "podcullis", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	how(c)
	if _, err := configurations.Update(s.t.Context(), c, metav1.UpdateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) facts(ctx context.Context, config *rest.Config) (doctor.Facts, error) {
	f := doctor.Facts{Of: "cluster test", Live: true, Now: time.Now(), Snapshot: clustertest.Snapshot(s.t, clustertest.Namespace("shop"), clustertest.Namespace("podcullis"), clustertest.Namespace("kube-system"))}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return f, err
	}
	reading.Network(ctx, client, &f)
	reading.Registration(ctx, client, &f, doors())
	f.Registration.Asked, err = reading.Ask(ctx, config, "default")
	return f, err
}

// answers are those about the webhook.
func answers(f doctor.Facts) []string {
	var out []string
	for _, a := range doctor.Examine(f).Sections[0].Answers {
		line := string(a.Status) + ": " + a.Text
		if a.Status == doctor.Problem {
			line += " " + strings.Join(a.Evidence, " | ")
		}
		out = append(out, line)
	}
	return out
}

// shows waits until the doctor says some things: the API server learns of a configuration a
// moment after it was written.
func (s *stand) shows(want ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	err := controlplane.Await(ctx, "the doctor to say so", func(ctx context.Context) error {
		f, err := s.facts(ctx, s.plane.REST())
		if err != nil {
			return err
		}
		got := answers(f)
		for _, w := range want {
			if !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, w) }) {
				return fmt.Errorf("no %q in\n%s", w, strings.Join(got, "\n"))
			}
		}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
}

// Each way in which a registration breaks is told by the doctor, on a real API server.
func TestRegistrations(t *testing.T) {
	s := newStand(t)
	s.shows("warning: No webhook of Podcullis is registered")
	s.install(true)
	restore := s.configuration()
	t.Run("AsInstalled", func(t *testing.T) {
		s.shows("ok: The API server asks, and gets an answer: what has to be refused is")
		f, err := s.facts(t.Context(), s.plane.REST())
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"ok: ValidatingWebhookConfiguration podcullis is the one that was installed",
			"ok: failurePolicy is Fail: while nobody answers, nothing gets in unjudged",
			"ok: Somebody answers at " + s.url,
			"ok: The certificate served at " + s.url + " is of the CA in the caBundle",
			"ok: The API server asks, and gets an answer: what has to be refused is",
		}
		if diff := cmp.Diff(want, answers(f)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	each := func(how func(*admissionregistrationv1.ValidatingWebhook)) func(*admissionregistrationv1.ValidatingWebhookConfiguration) {
		return func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
			for i := range c.Webhooks {
				how(&c.Webhooks[i])
			}
		}
	}
	const asked = "problem: The API server asks, and gets no answer of the webhook"
	broken := []struct {
		name string
		how  func(*admissionregistrationv1.ValidatingWebhookConfiguration)
		want []string
	}{
		{
			"WrongCABundle", each(func(w *admissionregistrationv1.ValidatingWebhook) {
				w.ClientConfig.CABundle = newAuthority(t, "theirs").pem
			}),
			[]string{"problem: The caBundle is not the CA of the certificate served at", asked, "unknown authority"},
		},
		{
			"FailurePolicyIgnoreWhileTheChartSaysFail", each(func(w *admissionregistrationv1.ValidatingWebhook) {
				w.FailurePolicy = new(admissionregistrationv1.Ignore)
			}),
			[]string{"problem: ValidatingWebhookConfiguration podcullis is not the one that was installed", "failurePolicy is Ignore, installed as Fail", "warning: failurePolicy is Ignore: while no replica answers, everything gets in"},
		},
		{
			"ADoorLess", func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
				c.Webhooks[1].Rules = c.Webhooks[1].Rules[1:]
			},
			[]string{"problem: ValidatingWebhookConfiguration podcullis is not the one that was installed", "webhook workloads.podcullis.io: CREATE, UPDATE, DELETE of pods is not covered any more"},
		},
		{
			"ANamespaceLess", each(func(w *admissionregistrationv1.ValidatingWebhook) {
				w.NamespaceSelector.MatchExpressions[0].Values = []string{"podcullis", "kube-system", "shop"}
			}),
			[]string{"namespaceSelector is", "warning: Webhook netpols.podcullis.io is not asked about 1 namespace"},
		},
		{
			"SomeLabelsOnly", each(func(w *admissionregistrationv1.ValidatingWebhook) {
				w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"judge": "me"}}
			}),
			[]string{"objectSelector is", "warning: Webhook workloads.podcullis.io is asked about objects with some labels only"},
		},
		{
			"AWebhookLess", func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { c.Webhooks = c.Webhooks[:1] },
			[]string{"webhook workloads.podcullis.io: is missing"},
		},
		{
			"AServiceThatIsNotThere", each(func(w *admissionregistrationv1.ValidatingWebhook) { w.ClientConfig = service(s.ca, "gone") }),
			[]string{"problem: Service podcullis/gone, which the API server calls, is not there", asked},
		},
		{
			"AServiceBehindWhichNobodyIs", each(func(w *admissionregistrationv1.ValidatingWebhook) { w.ClientConfig = service(s.ca, "idle") }),
			[]string{"problem: Service podcullis/idle has no endpoint that is ready: nobody answers", asked},
		},
	}
	for _, name := range []string{"idle"} {
		_, err := s.admin.CoreV1().Services("podcullis").Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.admin.DiscoveryV1().EndpointSlices("podcullis").Create(t.Context(), &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}}, AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.1.1.1"}, Conditions: discoveryv1.EndpointConditions{Ready: new(false)}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			s.change(b.how)
			s.shows(b.want...)
			s.change(func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { c.Webhooks = restore.Webhooks })
		})
	}
	t.Run("ExpiredCertificate", func(t *testing.T) {
		good := s.certificate.Load()
		s.certificate.Store(s.ca.serving(t, time.Now().Add(-time.Hour)))
		s.shows("the certificate served at "+s.url+" has expired", asked, "expired or is not yet valid")
		s.certificate.Store(s.ca.serving(t, time.Now().Add(30*time.Hour)))
		s.shows("warning: In 29 hours the certificate served at")
		s.certificate.Store(good)
	})
	t.Run("Warns", func(t *testing.T) {
		s.warns.Store(true)
		s.shows("ok: The API server asks, and gets an answer: what has to be refused is warned of")
		s.warns.Store(false)
	})
	t.Run("SaysNothing", func(t *testing.T) {
		s.silent.Store(true)
		s.shows("ok: The API server asks, and gets an answer: without one it would have refused")
		s.change(each(func(w *admissionregistrationv1.ValidatingWebhook) {
			w.FailurePolicy = new(admissionregistrationv1.Ignore)
		}))
		s.shows("not known: Whether anybody is asked is not known: it was accepted without a word")
		s.change(func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { c.Webhooks = restore.Webhooks })
		s.silent.Store(false)
	})
	t.Run("WhoMayNothing", func(t *testing.T) {
		config, err := s.plane.UserREST("nobody")
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.facts(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range answers(f) {
			if !strings.HasPrefix(line, "not known: ") {
				t.Errorf("%s", line)
			}
		}
		for _, what := range []string{"daemonsets", "nodes", "validatingwebhookconfigurations", doctor.OwnConfigMaps} {
			if !slices.ContainsFunc(f.Unseen, func(u doctor.Unseen) bool { return u.What == what && strings.Contains(u.Why, "forbidden") }) {
				t.Errorf("%s is not among %v", what, f.Unseen)
			}
		}
	})
	t.Run("WhoMayOnlyRead", func(t *testing.T) {
		config := reader(t, s)
		f, err := s.facts(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		got := answers(f)
		if !slices.Contains(got, "ok: ValidatingWebhookConfiguration podcullis is the one that was installed") || !slices.Contains(got, "not known: Whether the API server gets an answer was not tried out") {
			t.Errorf("%s", strings.Join(got, "\n"))
		}
	})
	t.Run("NobodyListens", func(t *testing.T) {
		s.server.Close()
		s.shows("not known: Nobody answers at "+s.url+" from here", asked, "connection refused")
	})
	t.Run("Deleted", func(t *testing.T) {
		if err := s.admin.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(t.Context(), "podcullis", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		s.shows("problem: ValidatingWebhookConfiguration podcullis is not the one that was installed ValidatingWebhookConfiguration podcullis is missing: the API server asks about nothing")
	})
}

// Without the chart's copy the doors are what is compared with.
func TestRegistrationThatNobodyInstalled(t *testing.T) {
	s := newStand(t)
	s.install(false)
	s.shows("not known: Whether ValidatingWebhookConfiguration podcullis is as it was installed is not known: no ConfigMap here has a copy of that")
	s.change(func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
		c.Webhooks[0].Rules[0].Operations = []admissionregistrationv1.OperationType{"CREATE"}
	})
	s.shows("problem: ValidatingWebhookConfiguration podcullis leaves out ways by which paths open UPDATE, DELETE of namespaces | UPDATE, DELETE of namespaces/status")
}

func service(ca authority, name string) admissionregistrationv1.WebhookClientConfig {
	return admissionregistrationv1.WebhookClientConfig{CABundle: ca.pem, Service: &admissionregistrationv1.ServiceReference{Namespace: "podcullis", Name: name, Path: new("/validate")}}
}

// reader may list what the doctor reads, and create nothing.
func reader(t *testing.T, s *stand) *rest.Config {
	t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "doctor-reader"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list"}},
	}}
	if _, err := s.admin.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: role.ObjectMeta, Subjects: []rbacv1.Subject{{Kind: "User", Name: "reader", APIGroup: rbacv1.GroupName}},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	config, err := s.plane.UserREST("reader")
	if err != nil {
		t.Fatal(err)
	}
	return config
}
