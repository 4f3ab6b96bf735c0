package drift

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// defaultPeriod keeps the promise of docs/guarantees.md, to notice within a minute.
	defaultPeriod = 30 * time.Second
	// readTimeout is for one question to the API server.
	readTimeout = 10 * time.Second
)

// Reader reads from the API server, not from a cache. client-go's
// ValidatingWebhookConfigurations() is one.
type Reader interface {
	Get(ctx context.Context, name string, options metav1.GetOptions) (*admissionregistrationv1.ValidatingWebhookConfiguration, error)
}

// Options are what a Watcher compares, and whom it tells.
type Options struct {
	// File is the ValidatingWebhookConfiguration that was meant, in YAML. It is read
	// again for each look.
	File string
	// Reader reads the one that there is, by the name in File.
	Reader Reader
	// Resources are those by which lost rules are named, as group/resource[/subresource].
	Resources []string
	// Certificate is the one that is served now, for tls.Config.GetCertificate.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Report, if set, is told after each look how many differences there are.
	Report func(differences int)
	// Period is how often the Watcher looks; 30 s if 0.
	Period time.Duration
	// Log is slog.Default() if nil.
	Log *slog.Logger
}

// Watcher looks at the webhook configuration again and again.
type Watcher struct {
	options Options
	known   bool     // whether there was a look that succeeded
	last    []string // what it found
	failing bool     // whether the last look did not
}

// New makes a Watcher. A File that does not hold what it should is an error now, and
// no error later.
func New(options Options) (*Watcher, error) {
	if options.Period <= 0 {
		options.Period = defaultPeriod
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	_, err := load(options.File)
	return &Watcher{options: options}, err
}

// Watch looks at once and then every Period, until ctx ends. It logs when the
// differences have changed, and once when a look fails: then what the last one found stands.
func (w *Watcher) Watch(ctx context.Context) {
	ticker := time.NewTicker(w.options.Period)
	defer ticker.Stop()
	for {
		w.step(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *Watcher) step(ctx context.Context) {
	name, found, err := w.look(ctx)
	if err != nil {
		if !w.failing && ctx.Err() == nil {
			w.options.Log.Error("webhook configuration not compared, what was found last stands", "error", err)
		}
		w.failing = true
		return
	}
	w.failing = false
	if w.options.Report != nil {
		w.options.Report(len(found))
	}
	if w.known && slices.Equal(found, w.last) {
		return
	}
	w.known, w.last = true, found
	if len(found) == 0 {
		w.options.Log.Info("webhook configuration is as installed", "configuration", name)
		return
	}
	w.options.Log.Warn("webhook configuration is not as installed", "configuration", name, "differences", strings.Join(found, "; "))
}

// look compares once.
func (w *Watcher) look(ctx context.Context) (name string, found []string, err error) {
	installed, err := load(w.options.File)
	if err != nil {
		return "", nil, err
	}
	certificate, err := w.options.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		return "", nil, fmt.Errorf("serving certificate: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	live, err := w.options.Reader.Get(ctx, installed.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		live = nil
	case err != nil:
		return "", nil, fmt.Errorf("ValidatingWebhookConfiguration %s: %w", installed.Name, err)
	}
	return installed.Name, intended{configuration: installed, doors: w.options.Resources, certificate: certificate}.differences(live), nil
}

func load(file string) (*admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}
