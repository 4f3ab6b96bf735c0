package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/fetch"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook/serving"
)

// bundles asks for the bundle again and again, and puts what is good in force.
type bundles struct {
	options bundleOptions
	period  time.Duration
	source  *fetch.Source
	log     *slog.Logger
	metrics *bundleMetrics
	now     func() time.Time
	status  atomic.Pointer[bundleStatus]

	// What follows is that of the one goroutine that asks.
	inForce *bundle.Bundle
	tag     string            // of the answer that inForce came with
	refused [sha256.Size]byte // what was refused last, with the keys that it was refused by
	misses  int               // how often nobody answered, one after the other
}

// bundleStatus is what is told of the bundle.
type bundleStatus struct {
	revision, digest, key string
	since                 time.Time
	confirmed             time.Time // zero if nobody ever was
	// failure is why the last one was not taken; empty when it was.
	failure  string
	failedAt time.Time
	notTaken bool // there was a new one, that is
}

func newBundles(o *options, log *slog.Logger, registry prometheus.Registerer, now func() time.Time) (*bundles, error) {
	source, err := o.bundle.source()
	if err != nil {
		return nil, fmt.Errorf("--bundle: %w", err)
	}
	if _, err := o.bundle.trust(); err != nil {
		return nil, err
	}
	s := &bundles{options: o.bundle, source: source, log: log, metrics: newBundleMetrics(registry), now: now, period: defaultBundlePeriod}
	if source.Address().IsFile() {
		s.period = o.reloadPeriod
	}
	s.period = cmp.Or(o.bundle.period, s.period)
	s.status.Store(&bundleStatus{})
	if o.bundle.unsigned {
		log.Warn("bundles are taken unsigned: whoever can write at the address, or on the way there, decides what is denied", "bundle", source.Address().String())
	}
	return s, nil
}

// firstPatience is how long a start waits for a new bundle where a good one is kept.
const firstPatience = 15 * time.Second

// first is the bundle to begin with: the newest, or the last good one that was kept. It returns when
// there is one. Where it may take long, open is called before.
func (s *bundles) first(ctx context.Context, open func() error) (*bundle.Bundle, error) {
	kept := s.lastGood(ctx)
	if kept == nil {
		if err := open(); err != nil {
			return nil, err
		}
	}
	for {
		b, err := s.hastily(ctx, kept != nil)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if b != nil {
			s.activated(b, true)
			return b, nil
		}
		if err != nil {
			s.failed(err)
		}
		if kept != nil {
			s.activated(kept, false)
			return kept, nil
		}
		if err := sleep(ctx, s.pause(err)); err != nil {
			return nil, err
		}
	}
}

// lastGood is the bundle that was kept, if it is still good.
func (s *bundles) lastGood(ctx context.Context) *bundle.Bundle {
	kept, err := s.stored(ctx)
	s.inForce = kept // what comes must not be older, even if this one does not load any more
	if err == nil && kept != nil {
		err = within(ctx, func() error { return s.try(kept) })
	}
	if err != nil {
		s.failed(fmt.Errorf("the bundle in --bundle-dir %s: %w", s.options.dir, err))
		return nil
	}
	return kept
}

func (s *bundles) hastily(ctx context.Context, hasty bool) (*bundle.Bundle, error) {
	if hasty {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, firstPatience)
		defer cancel()
	}
	return s.next(ctx, s.try)
}

// try compiles a bundle.
func (s *bundles) try(b *bundle.Bundle) error {
	return b.Try(guardrail.Source{Name: guardrail.Embedded, FS: policies.FS})
}

// read verifies a bundle.
func (s *bundles) read(raw []byte) (*bundle.Bundle, error) {
	trust, err := s.options.trust()
	if err != nil {
		return nil, err
	}
	return bundle.Read(raw, bundle.Options{Trust: trust})
}

// next asks for a bundle and loads it. It returns nil where it is what is in force, or was refused
// already.
func (s *bundles) next(ctx context.Context, load func(*bundle.Bundle) error) (*bundle.Bundle, error) {
	got, err := s.source.Fetch(ctx, s.tag)
	if err != nil {
		return nil, err
	}
	if got.Unchanged {
		s.confirmed()
		return nil, nil //nolint:nilnil // nothing new
	}
	seen := s.fingerprint(got.Raw)
	if seen == s.refused {
		return nil, nil //nolint:nilnil // nothing new
	}
	b, err := s.read(got.Raw)
	if err == nil && !s.options.older {
		err = b.Follows(s.inForce)
	}
	if err != nil {
		s.refused = seen
		return nil, err
	}
	if s.status.Load().revision != "" && b.Digest == s.inForce.Digest {
		s.tag, s.refused = got.Tag, [sha256.Size]byte{}
		s.resigned(b)
		s.confirmed()
		return nil, nil //nolint:nilnil // nothing new
	}
	if s.inForce != nil && b.Digest == s.inForce.Digest && !s.signedAgain(b) {
		b = s.inForce // which was kept, with a later signature
	}
	err = within(ctx, func() error { return load(b) })
	if err != nil && ctx.Err() == nil && !errors.Is(err, errObjects) { // objects may be mended
		s.refused = seen
	}
	if err != nil {
		return nil, err
	}
	s.tag, s.refused = got.Tag, [sha256.Size]byte{}
	return b, nil
}

// within waits for what may have no end, such as to compile Rego, no longer than for ctx.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case <-ctx.Done():
		return &bundle.Refusal{Reason: bundle.Slow, Err: fmt.Errorf("was not compiled in time: %w", ctx.Err())}
	case err := <-done:
		return err
	}
}

// fingerprint tells a bundle and the keys that it is checked by from others.
func (s *bundles) fingerprint(raw []byte) [sha256.Size]byte {
	h := sha256.New()
	trust, err := s.options.trust()
	fmt.Fprintln(h, trust, err)
	h.Write(raw)
	return [sha256.Size]byte(h.Sum(nil))
}

// follow asks until ctx ends.
func (s *bundles) follow(ctx context.Context, f *guardrailFiles) {
	again := s.status.Load().failure != "" // which first did not wait for
	for {
		var err error
		if again {
			err = bundle.Refuse(bundle.Unreachable, "it was not there at the start")
		}
		if sleep(ctx, s.pause(err)) != nil {
			return
		}
		again = s.once(ctx, f)
		if ctx.Err() != nil {
			return
		}
	}
}

// once asks once, and puts in force what is new. It tells whether to ask again soon.
func (s *bundles) once(ctx context.Context, f *guardrailFiles) (again bool) {
	b, err := s.next(ctx, func(b *bundle.Bundle) error {
		f.good.Set(0) // until it is in force: to compile Rego can take without end
		return f.replace(b)
	})
	switch {
	case ctx.Err() != nil:
		return false
	case b != nil:
		f.reloads.WithLabelValues("success").Inc()
		s.activated(b, true)
		f.tell()
	case err != nil:
		s.failed(err)
		if answered(err) {
			f.reloads.WithLabelValues("failure").Inc()
		}
	}
	f.good.Set(s.newestInForce())
	return err != nil && !answered(err)
}

// newestInForce is 0 while something newer than what is in force is there, and is not taken.
func (s *bundles) newestInForce() float64 {
	if s.status.Load().notTaken {
		return 0
	}
	return 1
}

// answered tells whether there is a bundle, and it is not taken.
func answered(err error) bool {
	why := bundle.ReasonOf(err)
	return why != bundle.Unreachable && why != bundle.Slow
}

// pause is how long to wait after a question. Who does not answer is asked again soon, and then ever less
// often; replicas do not ask in step.
func (s *bundles) pause(err error) time.Duration {
	if err == nil || answered(err) {
		s.misses = 0
		return time.Duration(float64(s.period) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // no secret
	}
	soon := time.Second << min(s.misses, 20)
	s.misses++
	return time.Duration(float64(min(soon, s.period)) * (0.5 + 0.5*rand.Float64())) //nolint:gosec // no secret
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// activated notes that a bundle is in force.
func (s *bundles) activated(b *bundle.Bundle, confirmed bool) {
	now := s.now()
	s.inForce = b
	next := bundleStatus{revision: b.Revision(), digest: b.ShortDigest(), key: b.KeyID(), since: now}
	from := s.source.Address().String()
	if confirmed {
		next.confirmed = now
		s.metrics.confirmed.Set(seconds(now))
	} else {
		before := s.status.Load()
		next.failure, next.failedAt, next.notTaken = before.failure, before.failedAt, before.notTaken
		from = s.options.dir
	}
	s.status.Store(&next)
	s.metrics.inForce(b, now)
	if confirmed {
		s.store(b)
	}
	s.log.Info("bundle in force", "revision", next.revision, "digest", next.digest, "key", next.key, "from", from)
	if !s.options.unsigned && !b.Ordered() {
		s.log.Warn("the bundle has neither a serial nor a time in its signature, so that an older one could take its place: give it metadata.podcullis.serial, or sign it with `podcullis bundle sign`", "revision", next.revision)
	}
}

// signedAgain tells whether another signature of what is in force may take the place of that.
func (s *bundles) signedAgain(b *bundle.Bundle) bool {
	return s.options.older || b.SignedAgain(s.inForce)
}

// resigned takes another signature of what is in force: the keys are being changed. An earlier
// one is nothing new.
func (s *bundles) resigned(b *bundle.Bundle) {
	if string(b.Raw()) == string(s.inForce.Raw()) || !s.signedAgain(b) {
		return
	}
	s.inForce = b
	next := *s.status.Load()
	next.key = b.KeyID()
	s.status.Store(&next)
	s.store(b)
	s.log.Info("the bundle in force was signed again", "revision", next.revision, "key", next.key)
}

// confirmed notes that what is in force is the newest.
func (s *bundles) confirmed() {
	next := *s.status.Load()
	next.confirmed, next.failure, next.notTaken = s.now(), "", false
	s.status.Store(&next)
	s.metrics.confirmed.Set(seconds(next.confirmed))
}

// failed notes that a bundle was not taken.
func (s *bundles) failed(err error) {
	why := bundle.ReasonOf(err)
	next := *s.status.Load()
	next.failure, next.failedAt = fmt.Sprintf("%s: %v", why, err), s.now()
	next.notTaken = next.notTaken || answered(err)
	s.status.Store(&next)
	s.metrics.failures.WithLabelValues(string(why)).Inc()
	text := "bundle not taken, the one before stays in force"
	if next.revision == "" {
		text = "bundle not taken, and there is none in force yet"
	}
	s.log.Error(text, "bundle", s.source.Address().String(), "reason", string(why), "error", err, "inForce", next.revision)
}

func (s *bundles) store(b *bundle.Bundle) {
	if err := s.keep(b); err != nil {
		s.metrics.failures.WithLabelValues(string(bundle.Storage)).Inc()
		s.log.Error("the bundle could not be kept in --bundle-dir: a start without its server will have an older one, or none", "reason", string(bundle.Storage), "error", err)
	}
}

// check is what /readyz says: ready while there is a bundle, however old.
func (s *bundles) check(*http.Request) error {
	status := s.status.Load()
	failure := ""
	if status.failure != "" {
		failure, _, _ = strings.Cut(status.failure, "\n")
		failure = fmt.Sprintf("; not taken %s ago: %s", s.age(status.failedAt), failure)
	}
	if status.revision == "" {
		return errors.New("none is in force yet" + failure)
	}
	confirmed := "never confirmed by its server"
	if !status.confirmed.IsZero() {
		confirmed = fmt.Sprintf("confirmed %s ago", s.age(status.confirmed))
	}
	signed := "unsigned"
	if status.key != "" {
		signed = fmt.Sprintf("signed by %q", status.key)
	}
	return serving.Remark(fmt.Sprintf("revision %q, digest %s, %s, in force for %s, %s%s", status.revision, status.digest, signed, s.age(status.since), confirmed, failure))
}

func (s *bundles) age(of time.Time) time.Duration { return max(0, s.now().Sub(of)).Round(time.Second) }
