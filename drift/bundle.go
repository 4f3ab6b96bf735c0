package drift

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// bundle judges a caBundle by what it is for. What it was when it was installed
// says nothing: cert-manager or the server itself writes it, and writes it anew.
func (i intended) bundle(live []byte, installed admissionregistrationv1.WebhookClientConfig) []string {
	options := x509.VerifyOptions{DNSName: calledAs(installed), Intermediates: x509.NewCertPool()}
	if len(live) > 0 { // an empty one stands for the CAs of the API server's machine; those of this one come nearest
		options.Roots = x509.NewCertPool()
		if !options.Roots.AppendCertsFromPEM(live) {
			return []string{"clientConfig.caBundle holds no certificate"}
		}
	}
	var leaf *x509.Certificate
	for at, raw := range i.certificate.Certificate {
		c, err := x509.ParseCertificate(raw)
		switch {
		case err != nil: // a server that serves it would not have started
		case at == 0:
			leaf = c
		default:
			options.Intermediates.AddCert(c)
		}
	}
	if leaf == nil {
		return nil
	}
	_, err := leaf.Verify(options)
	switch {
	case err == nil:
		return nil
	case len(live) == 0:
		return []string{"clientConfig.caBundle is empty, so the API server does not trust the certificate that is served"}
	}
	return []string{fmt.Sprintf("clientConfig.caBundle does not verify the certificate that is served for %s: %s", options.DNSName, reason(err))}
}

// reason is an error of x509 without the time of day, which would be a new
// difference each time.
func reason(err error) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return "it, or its CA, has expired or is not valid yet"
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return "it is of another CA"
	}
	return err.Error()
}

// calledAs is the name that the API server asks the certificate for.
func calledAs(c admissionregistrationv1.WebhookClientConfig) string {
	switch {
	case c.Service != nil:
		return c.Service.Name + "." + c.Service.Namespace + ".svc"
	case c.URL != nil:
		if u, err := url.Parse(*c.URL); err == nil {
			return u.Hostname()
		}
	}
	return ""
}
