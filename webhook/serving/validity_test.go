package serving

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// fixed serves one certificate.
type fixed struct{ pair *tls.Certificate }

func (f fixed) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.pair, nil }
func (fixed) Watch(context.Context)                                           {}

// pairOf is a certificate with these bounds, under an issuer that is served with it if
// it has an end.
func pairOf(t *testing.T, from, to, issuerTo time.Time) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	make := func(name, by string, from, to time.Time, ca bool) []byte {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(10), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
			IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
		parent := &x509.Certificate{Subject: pkix.Name{CommonName: by}}
		raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	pair := &tls.Certificate{PrivateKey: key, Certificate: [][]byte{make("podcullis", "issuer", from, to, false)}}
	if !issuerTo.IsZero() {
		pair.Certificate = append(pair.Certificate,
			make("issuer", "root", from, issuerTo, true),
			make("root", "root", from, from.Add(time.Second), true)) // an old root beside it is nobody's harm
	}
	if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestACertificateOutsideItsTimeIsNotReady(t *testing.T) {
	noon := time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)
	from, to := noon.Add(-48*time.Hour), noon.Add(48*time.Hour)
	none := time.Time{}
	cases := map[string]struct {
		pair  *tls.Certificate
		now   time.Time
		error string // of readiness
		says  string // in the readiness that does not fail
	}{
		"InItsTime":           {pairOf(t, from, to, none), noon, "", ""},
		"ADayAndASecondLeft":  {pairOf(t, from, to, none), to.Add(-24*time.Hour - time.Second), "", ""},
		"LessThanADayLeft":    {pairOf(t, from, to, none), to.Add(-time.Hour), "", `the serving certificate "podcullis" (serial a) expires within 24h0m0s, at 2031-05-06T12:00:00Z`},
		"InItsLastSecond":     {pairOf(t, from, to, none), to, "", "expires within"},
		"Expired":             {pairOf(t, from, to, none), to.Add(time.Second), `the serving certificate "podcullis" (serial a) has expired: it was valid until 2031-05-06T12:00:00Z`, ""},
		"ExpiredForYears":     {pairOf(t, from, to, none), to.AddDate(7, 0, 0), "has expired", ""},
		"NotYetValid":         {pairOf(t, from, to, none), from.Add(-time.Second), `is not valid before 2031-05-02T12:00:00Z`, ""},
		"TheIssuerHasExpired": {pairOf(t, from, to, noon.Add(-time.Hour)), noon, `certificate of the issuer, which is served with the leaf, "issuer" (serial a) has expired`, ""},
		"TheIssuerEndsSoon":   {pairOf(t, from, to, noon.Add(time.Hour)), noon, "", "of the issuer"},
		"TheIssuerLastsLong":  {pairOf(t, from, to, to.Add(time.Hour)), noon, "", ""},
		"NoCertificate":       {nil, noon, "there is no serving certificate", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			v := NewValidity(fixed{c.pair}, servingtest.NewWallClock(c.now).Now, registry, servingtest.Quiet)
			err := v.Checker()(nil)
			var remark Remark
			switch remarks := errors.As(err, &remark); {
			case c.error != "" && (err == nil || remarks || !strings.Contains(err.Error(), c.error)):
				t.Errorf("readiness says %v, want %s", err, c.error)
			case c.error == "" && (err != nil && !remarks || !strings.Contains(string(remark), c.says) || (c.says == "") != (remark == "")):
				t.Errorf("readiness says %v, want no error and %q", err, c.says)
			}
			want := 1.0
			if c.error != "" {
				want = 0
			}
			if got := gauge(t, registry, "podcullis_certificate_valid"); got != want {
				t.Errorf("podcullis_certificate_valid is %v, want %v", got, want)
			}
		})
	}
}

func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("%s is not shown", name)
	return 0
}

// Nothing touches the file and nobody calls: the time just passes, jumps, and comes back.
func TestTheClockAloneIsToldOnce(t *testing.T) {
	noon := time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)
	clock := servingtest.NewWallClock(noon)
	var log strings.Builder
	v := NewValidity(fixed{pairOf(t, noon.Add(-48*time.Hour), noon.Add(48*time.Hour), time.Time{})}, clock.Now, prometheus.NewRegistry(), servingtest.TextLogger(&log))
	last := ""
	for _, step := range []struct {
		jump time.Duration
		want []string // what each line of the log says since
	}{
		{0, nil},
		{25 * time.Hour, []string{`level=WARN msg="the serving certificate was not renewed yet"`}},
		{time.Hour, nil},
		{time.Hour, nil},
		{48 * time.Hour, []string{`level=ERROR msg="the API server does not accept the serving certificate: this replica is not ready"`}},
		{time.Hour, nil},
		{-60 * time.Hour, []string{`level=INFO msg="the serving certificate is within its time again"`}},
		{-30 * 24 * time.Hour, []string{"is not valid before"}},
		{30 * 24 * time.Hour, []string{"level=INFO"}},
	} {
		clock.Set(clock.Now().Add(step.jump))
		log.Reset()
		for range 3 {
			last = v.tell(t.Context(), last)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if log.Len() == 0 {
			lines = nil
		}
		if len(lines) != len(step.want) {
			t.Fatalf("after %s: log %q, want %q", step.jump, lines, step.want)
		}
		for i, want := range step.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("after %s: log %q, want %q", step.jump, lines[i], want)
			}
		}
	}
}

// Every kind of certificate that the server has is watched over, and a new pair counts.
func TestValidityOfEveryKindOfCertificate(t *testing.T) {
	ca, dir := servingtest.NewAuthority(t), t.TempDir()
	cert, key := ca.Issue(t, "short", time.Now().Add(-time.Minute))
	servingtest.WriteFile(t, dir, "tls.crt", cert)
	servingtest.WriteFile(t, dir, "tls.key", key)
	files, err := LoadCertificates(dir, CertificateDirOptions{Logger: servingtest.Quiet})
	if err != nil {
		t.Fatalf("an expired pair is no reason not to start: %v", err)
	}
	own, err := SelfSigned(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	v := NewValidity(files, time.Now, registry, servingtest.Quiet)
	if err := v.Checker()(nil); err == nil || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("expired files: %v", err)
	}
	cert, key = ca.Issue(t, "renewed", time.Now().Add(2*inADay))
	servingtest.WriteFile(t, dir, "tls.crt", cert)
	servingtest.WriteFile(t, dir, "tls.key", key)
	if changed, err := files.reload(); err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	if err := v.Checker()(nil); err != nil {
		t.Errorf("renewed: %v", err)
	}
	if got, want := gauge(t, registry, "podcullis_certificate_expiry_timestamp_seconds"), float64(files.NotAfter().Unix()); got != want {
		t.Errorf("expiry metric %v, want %v", got, want)
	}
	selfSigned := NewValidity(own, time.Now, prometheus.NewRegistry(), servingtest.Quiet)
	if err := selfSigned.Checker()(nil); err != nil {
		t.Errorf("self-signed: %v", err)
	}
	selfSigned.now = func() time.Time { return time.Now().AddDate(2, 0, 0) }
	if err := selfSigned.Checker()(nil); err == nil {
		t.Error("a self-signed certificate that has expired is ready")
	}
}
