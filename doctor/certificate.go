package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// soon is how long before its end a certificate is told of: who renews them has done so by then.
const soon = 7 * 24 * time.Hour

// trust tells whether the API server takes the certificate that is served, by what can be seen of
// both: the caBundle always, the certificate where somebody could look at it.
func trust(bundle []byte, b Backend, host string, now time.Time) []Answer {
	if len(bundle) == 0 {
		return []Answer{{
			Status: Problem, Text: "caBundle for " + b.Name + " is empty: the API server trusts the CAs of its machine only",
			Mend: "docs/troubleshooting.md#certificates",
		}}
	}
	var cas []*x509.Certificate
	for rest := bundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if ca, err := x509.ParseCertificate(block.Bytes); err == nil {
			cas = append(cas, ca)
		}
	}
	if len(cas) == 0 {
		return []Answer{{Status: Problem, Text: "caBundle for " + b.Name + " holds no certificate", Mend: "docs/troubleshooting.md#certificates"}}
	}
	var out []Answer
	if a, ok := ofAge("every CA of the caBundle for "+b.Name, latest(cas), now); ok {
		out = append(out, a)
	}
	if len(b.Certificate) == 0 {
		if len(out) == 0 {
			out = append(out, Answer{Status: Unknown, Text: "Whether the certificate served at " + b.Name + " is of the CA in the caBundle was not seen here", Evidence: []string{"the CA is valid until " + day(latest(cas))}})
		}
		return out
	}
	leaf, err := x509.ParseCertificate(b.Certificate[0])
	if err != nil {
		return append(out, Answer{Status: Problem, Text: "The certificate served at " + b.Name + " cannot be read", Evidence: []string{err.Error()}, Mend: "docs/troubleshooting.md#certificates"})
	}
	if a, ok := ofAge("the certificate served at "+b.Name, leaf.NotAfter, now); ok {
		return append(out, a)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, ca := range cas {
		roots.AddCert(ca)
	}
	for _, raw := range b.Certificate[1:] {
		if c, err := x509.ParseCertificate(raw); err == nil {
			between.AddCert(c)
		}
	}
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: now})
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		return append(out, Answer{Status: OK, Text: "The certificate served at " + b.Name + " is of the CA in the caBundle", Evidence: []string{"for " + host + ", valid until " + day(leaf.NotAfter)}})
	case errors.As(err, &unknown):
		return append(out, Answer{Status: Problem, Text: "The caBundle is not the CA of the certificate served at " + b.Name, Evidence: []string{err.Error()}, Mend: "docs/troubleshooting.md#certificates"})
	}
	return append(out, Answer{Status: Problem, Text: "The API server does not take the certificate served at " + b.Name, Evidence: []string{err.Error()}, Mend: "docs/troubleshooting.md#certificates"})
}

// ofAge tells of what has ended, or will soon.
func ofAge(what string, end, now time.Time) (Answer, bool) {
	left := end.Sub(now)
	switch {
	case left <= 0:
		return Answer{Status: Problem, Text: "Since " + day(end) + " " + what + " has expired", Mend: "docs/runbooks/PodcullisCertificateExpires.md"}, true
	case left < soon:
		return Answer{Status: Warning, Text: fmt.Sprintf("In %d hours %s expires", int(left.Hours()), what), Mend: "docs/runbooks/PodcullisCertificateExpires.md"}, true
	}
	return Answer{}, false
}

func latest(list []*x509.Certificate) time.Time {
	var out time.Time
	for _, c := range list {
		if c.NotAfter.After(out) {
			out = c.NotAfter
		}
	}
	return out
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }
