package reading

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/doctor"
)

const (
	// own is the label of all that the chart makes.
	own = "app.kubernetes.io/part-of=podcullis"
	// installedKey is where the chart keeps what it has installed.
	installedKey = "webhooks.yaml"
	// dialTimeout is for one look at a certificate.
	dialTimeout = 5 * time.Second
)

// Registration reads how the webhook is registered and what stands behind it. doors are the
// resources that have to be asked about.
func Registration(ctx context.Context, client kubernetes.Interface, f *doctor.Facts, doors []string) {
	r := &doctor.Registration{Doors: doors}
	f.Registration = r
	err := each(ctx, client.AdmissionregistrationV1().ValidatingWebhookConfigurations().List, func(o runtime.Object) {
		c, ok := o.(*admissionregistrationv1.ValidatingWebhookConfiguration)
		if ok && slices.ContainsFunc(c.Webhooks, func(w admissionregistrationv1.ValidatingWebhook) bool {
			return strings.HasSuffix(w.Name, doctor.OwnDomain)
		}) {
			r.Configurations = append(r.Configurations, c)
		}
	})
	note(f, "validatingwebhookconfigurations", err)
	// Labels are anybody's: where Services are called, what counts is beside them.
	homes := doctor.Homes(r.Configurations)
	home := func(namespace string) bool { return len(homes) == 0 || slices.Contains(homes, namespace) }
	maps, err := client.CoreV1().ConfigMaps("").List(ctx, metav1.ListOptions{LabelSelector: own})
	note(f, doctor.OwnConfigMaps, err)
	if err == nil {
		for _, m := range maps.Items {
			if text, ok := m.Data[installedKey]; ok && home(m.Namespace) {
				r.Installed = append(r.Installed, doctor.Installed{In: cluster.Ref{Namespace: m.Namespace, Kind: "ConfigMap", Name: m.Name}, Text: []byte(text)})
			}
		}
	}
	deployments, err := client.AppsV1().Deployments("").List(ctx, metav1.ListOptions{LabelSelector: own + ",app.kubernetes.io/component=webhook"})
	note(f, "deployments", err)
	if err == nil {
		for i := range deployments.Items {
			if !home(deployments.Items[i].Namespace) {
				continue
			}
			r.Deployments = append(r.Deployments, &deployments.Items[i])
		}
	}
	seen := map[string]bool{}
	for _, c := range r.Configurations {
		for _, w := range c.Webhooks {
			if s := w.ClientConfig.Service; s != nil && !seen[s.Namespace+"/"+s.Name] {
				seen[s.Namespace+"/"+s.Name] = true
				readService(ctx, client, f, s.Namespace, s.Name)
			}
			if u := w.ClientConfig.URL; u != nil && !seen[*u] {
				seen[*u] = true
				r.Backends = append(r.Backends, readURL(ctx, *u))
			}
		}
	}
}

func readService(ctx context.Context, client kubernetes.Interface, f *doctor.Facts, namespace, name string) {
	b := doctor.Backend{Name: namespace + "/" + name}
	service, err := client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		b.Missing = true
		f.Registration.Backends = append(f.Registration.Backends, b)
		return
	case err != nil:
		note(f, "services "+b.Name, err)
		return
	}
	slices, err := client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + name})
	if err != nil {
		note(f, "endpointslices "+b.Name, err)
		return
	}
	for _, s := range slices.Items {
		for _, e := range s.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				b.Ready++
			}
		}
	}
	b.Certificate = served(ctx, client, f, service)
	f.Registration.Backends = append(f.Registration.Backends, b)
}

// served is the certificate of the pods behind a Service, by the Secret that they have it from.
func served(ctx context.Context, client kubernetes.Interface, f *doctor.Facts, s *corev1.Service) [][]byte {
	for _, d := range f.Registration.Deployments {
		name := secretOf(d)
		if d.Namespace != s.Namespace || name == "" || !selects(s.Spec.Selector, d.Spec.Template.Labels) {
			continue
		}
		secret, err := client.CoreV1().Secrets(d.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			note(f, "secrets "+d.Namespace+"/"+name, err)
			return nil
		}
		return chain(secret.Data[corev1.TLSCertKey])
	}
	return nil
}

// secretOf is the Secret from which a webhook has its certificate.
func secretOf(d *appsv1.Deployment) string {
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, a := range c.Args {
			if name, ok := strings.CutPrefix(a, "--certificate-secret="+d.Namespace+"/"); ok {
				return name
			}
		}
	}
	for _, v := range d.Spec.Template.Spec.Volumes {
		if v.Name == "tls" && v.Secret != nil {
			return v.Secret.SecretName
		}
	}
	return ""
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

// chain is a certificate and those that vouch for it; of the Secret nothing else is looked at.
func chain(text []byte) [][]byte {
	var out [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		out = append(out, block.Bytes)
	}
	return out
}

// readURL looks at the certificate that is served at a URL. It is not trusted for that: what it is
// compared with is the caBundle.
func readURL(ctx context.Context, address string) doctor.Backend {
	b := doctor.Backend{Name: address}
	u, err := url.Parse(address)
	if err != nil {
		b.Failed = err.Error()
		return b
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "443")
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true}} //nolint:gosec // it is looked at, and nothing is sent
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		b.Failed = err.Error()
		return b
	}
	defer conn.Close()
	if c, ok := conn.(*tls.Conn); ok {
		for _, cert := range c.ConnectionState().PeerCertificates {
			b.Certificate = append(b.Certificate, cert.Raw)
		}
	}
	return b
}
