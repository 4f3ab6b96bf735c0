package fetch

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/podcullis/podcullis/guardrail/bundle"
)

// Patience is how long a server is waited for.
type Patience struct {
	// Whole bounds all of it, Still how long nothing may come.
	Whole, Still time.Duration
}

func (p Patience) orDefault() Patience {
	return Patience{cmp.Or(p.Whole, 2*time.Minute), cmp.Or(p.Still, 10*time.Second)}
}

var (
	errTooLong = errors.New("took too long")
	errStill   = errors.New("did not come on")
)

// maxRedirects is how often a server may point elsewhere.
const maxRedirects = 5

// client makes a client for one question, so that a new CA file or token needs no restart.
func (s *Source) client() (*http.Client, func(), error) {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // the archive is compressed, and its size bounded as it is
		ResponseHeaderTimeout: s.options.Patience.Still,
		TLSHandshakeTimeout:   s.options.Patience.Still,
	}
	if s.options.CAFile != "" {
		text, err := os.ReadFile(s.options.CAFile)
		if err != nil {
			return nil, nil, bundle.Refuse(bundle.Unreachable, "CA file: %w", err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(text) {
			return nil, nil, bundle.Refuse(bundle.Unreachable, "CA file %s: holds no certificate in PEM", s.options.CAFile)
		}
	}
	c := &http.Client{Transport: watchful{transport, s.options.Patience.Still}, CheckRedirect: checkRedirect}
	return c, transport.CloseIdleConnections, nil
}

// checkRedirect bounds where a server may point: not from TLS to none, and no token goes to another host.
func checkRedirect(r *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("points elsewhere more than %d times", maxRedirects)
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return errors.New("points to what is no web server")
	case first.Scheme == "https" && r.URL.Scheme != "https":
		return errors.New("points from https to http")
	case r.URL.Host != first.Host || r.URL.Scheme != first.Scheme:
		r.Header.Del("Authorization")
	}
	return nil
}

// watchful ends a body that does not come on.
type watchful struct {
	next  http.RoundTripper
	still time.Duration
}

func (w watchful) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	response, err := w.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	body := &body{ReadCloser: response.Body, ctx: ctx, cancel: cancel, still: w.still}
	body.timer = time.AfterFunc(w.still, func() { cancel(errStill) })
	response.Body = body
	return response, nil
}

type body struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	still  time.Duration
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.timer.Reset(b.still)
	}
	if err != nil && !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

func (s *Source) fromWeb(ctx context.Context, tag string) (Answer, error) {
	client, done, err := s.client()
	if err != nil {
		return Answer{}, err
	}
	defer done()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address.web.String(), nil)
	if err != nil {
		return Answer{}, s.failure(err)
	}
	request.Header.Set("User-Agent", s.options.UserAgent)
	request.Header.Set("Accept", "application/gzip, application/vnd.openpolicyagent.bundles, */*;q=0.5")
	if tag != "" {
		request.Header.Set("If-None-Match", tag)
	}
	token, err := s.token()
	if err != nil {
		return Answer{}, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, s.failure(err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && tag != "":
		return Answer{Tag: tag, Unchanged: true}, nil
	case response.StatusCode != http.StatusOK:
		return Answer{}, bundle.Refuse(bundle.Unreachable, "%s: answers %d %s", s.address, response.StatusCode, http.StatusText(response.StatusCode))
	case response.ContentLength > s.options.Limits.Compressed:
		return Answer{}, bundle.Refuse(bundle.TooLarge, "%s: has more than %d bytes", s.address, s.options.Limits.Compressed)
	}
	raw, err := s.all(response.Body)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Raw: raw, Tag: etag(response)}, nil // whatever the tag: some servers have one for all
}

// maxTag is how long an ETag may be to be sent back.
const maxTag = 1024

func etag(r *http.Response) string {
	tag := r.Header.Get("ETag")
	if len(tag) > maxTag {
		return ""
	}
	return tag
}

func (s *Source) token() (string, error) {
	if s.options.TokenFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(s.options.TokenFile)
	if err != nil {
		return "", bundle.Refuse(bundle.Unreachable, "token file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, " \r\n\t") {
		return "", bundle.Refuse(bundle.Unreachable, "token file %s: want one token", s.options.TokenFile)
	}
	return token, nil
}

// failure words what went wrong on the way. What a server says of itself may be anything.
func (s *Source) failure(err error) error {
	var r *bundle.Refusal
	if errors.As(err, &r) {
		return err
	}
	why := bundle.Unreachable
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errStill):
		why, err = bundle.Slow, fmt.Errorf("nothing came for %s", s.options.Patience.Still)
	case errors.Is(err, errTooLong):
		why, err = bundle.Slow, fmt.Errorf("not there after %s", s.options.Patience.Whole)
	case errors.As(err, &timeout) && timeout.Timeout():
		why, err = bundle.Slow, errors.New("no answer in time")
	case errors.Is(err, io.ErrUnexpectedEOF):
		why, err = bundle.Broken, errors.New("the answer is cut off")
	}
	// What a registry answers may repeat what it was sent.
	if answered := (&errcode.ErrorResponse{}); errors.As(err, &answered) {
		err = fmt.Errorf("answers %d %s", answered.StatusCode, http.StatusText(answered.StatusCode))
	}
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	return bundle.Refuse(why, "%s: %s", s.address, s.quoted(err))
}

var query = regexp.MustCompile(`\?[^\s"']*`)

// maxQuoted is how much of what others say is shown.
const maxQuoted = 300

func (s *Source) quoted(err error) string {
	text := strings.Join(strings.Fields(query.ReplaceAllString(err.Error(), "?…")), " ")
	if token, err := s.token(); err == nil && token != "" {
		text = strings.ReplaceAll(text, token, "…")
	}
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return strings.ToValidUTF8(text, "�")
}
