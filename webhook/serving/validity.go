package serving

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

const (
	// soon is how long before its end a certificate is warned of. Whatever renews
	// it should have done so long before.
	soon = 24 * time.Hour
	// validityPeriod is how often the log looks whether time has passed over the
	// certificate. Probes and metrics look when they are asked.
	validityPeriod = 10 * time.Second
)

// Validity says whether the certificate that is served is within its time. A
// certificate that has expired looks well from within: the files load, connections
// that are open stay, and only new callers go away, of whom the server hears nothing
// but a failed handshake. So nobody would notice a replica that every API server
// refuses to talk to.
//
// It goes by a wall clock: the API server's, if that is known, because that is by which
// callers go.
type Validity struct {
	certificates Certificates
	now          func() time.Time
	logger       *slog.Logger
	period       time.Duration
}

// NewValidity watches over certificates, and registers the metrics
// podcullis_certificate_valid and podcullis_certificate_expiry_timestamp_seconds. Like
// prometheus.MustRegister it panics if they are registered already.
func NewValidity(certificates Certificates, now func() time.Time, registerer prometheus.Registerer, logger *slog.Logger) *Validity {
	v := &Validity{certificates: certificates, now: now, logger: cmp.Or(logger, slog.Default()), period: validityPeriod}
	registerer.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "podcullis_certificate_valid",
			Help: "1 while the serving certificate is within its time, 0 when it has expired or is not valid yet.",
		}, func() float64 {
			if _, err := v.check(); err != nil {
				return 0
			}
			return 1
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "podcullis_certificate_expiry_timestamp_seconds",
			Help: "When the serving certificate expires, in seconds since 1970.",
		}, func() float64 {
			pair, err := v.pair()
			if err != nil {
				return 0
			}
			return float64(pair.Leaf.NotAfter.Unix())
		}),
	)
	return v
}

// Checker is a readiness check: an error while the certificate is not within its
// time, and a Remark when it will not be for much longer.
func (v *Validity) Checker() healthz.Checker {
	return func(*http.Request) error {
		warning, err := v.check()
		if err == nil && warning != "" {
			return Remark(warning)
		}
		return err
	}
}

// Watch logs once what the clock does to the certificate, and when that is over,
// until ctx is done.
func (v *Validity) Watch(ctx context.Context) {
	ticker := time.NewTicker(v.period)
	defer ticker.Stop()
	last := ""
	for {
		last = v.tell(ctx, last)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tell logs what is new, and returns what it was.
func (v *Validity) tell(ctx context.Context, last string) string {
	warning, err := v.check()
	found, level := warning, slog.LevelWarn
	if err != nil {
		found, level = err.Error(), slog.LevelError
	}
	switch {
	case found == last:
	case found == "":
		v.logger.Info("the serving certificate is within its time again")
	case err != nil:
		v.logger.Log(ctx, level, "the API server does not accept the serving certificate: this replica is not ready", "error", found)
	default:
		v.logger.Log(ctx, level, "the serving certificate was not renewed yet", "certificate", found)
	}
	return found
}

// check says what is wrong, or will be soon. The texts do not change with every second.
func (v *Validity) check() (warning string, err error) {
	pair, err := v.pair()
	if err != nil {
		return "", err
	}
	what := certificateNamed("serving certificate", pair.Leaf)
	from, to := pair.Leaf.NotBefore, pair.Leaf.NotAfter
	// Nobody accepts a certificate longer than that of its issuer.
	if issuer := issuerOf(pair); issuer != nil && issuer.NotAfter.Before(to) {
		what, to = certificateNamed("certificate of the issuer, which is served with the leaf,", issuer), issuer.NotAfter
	}
	// A comparison with the time of a certificate is one of wall clocks.
	switch now := v.now(); {
	case now.After(to):
		return "", fmt.Errorf("the %s has expired: it was valid until %s", what, clock(to))
	case now.Before(from):
		return "", fmt.Errorf("the %s is not valid before %s, and it is %s", what, clock(from), now.UTC().Format("2006-01-02"))
	case to.Sub(now) < soon:
		return fmt.Sprintf("the %s expires within %s, at %s", what, soon, clock(to)), nil
	}
	return "", nil
}

// issuerOf is the certificate of the leaf's issuer that is served with it, nil if there
// is none. Of several the one counts that lasts longest: the caller takes any path that
// holds. A root does not count: callers have their own copy of it, which may be newer.
func issuerOf(pair *tls.Certificate) *x509.Certificate {
	var longest *x509.Certificate
	for _, raw := range pair.Certificate[1:] {
		c, err := x509.ParseCertificate(raw)
		if err != nil || bytes.Equal(c.RawSubject, c.RawIssuer) || pair.Leaf.CheckSignatureFrom(c) != nil {
			continue
		}
		if longest == nil || c.NotAfter.After(longest.NotAfter) {
			longest = c
		}
	}
	return longest
}

func (v *Validity) pair() (*tls.Certificate, error) {
	pair, err := v.certificates.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		return nil, fmt.Errorf("serving certificate: %w", err)
	}
	if pair == nil || pair.Leaf == nil {
		return nil, errors.New("there is no serving certificate")
	}
	return pair, nil
}

// named tells one certificate from the next.
func certificateNamed(what string, c *x509.Certificate) string {
	return fmt.Sprintf("%s %q (serial %x)", what, c.Subject.CommonName, c.SerialNumber)
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
