package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/bundletest"
)

// published is a file with a bundle, and who asks for it.
type published struct {
	t    *testing.T
	key  bundletest.Key
	o    *options
	file string
}

func newPublished(t *testing.T) *published {
	t.Helper()
	dir := t.TempDir()
	p := &published{t: t, key: bundletest.NewKey(t), file: filepath.Join(dir, "published.tar.gz")}
	key := filepath.Join(dir, "team.pem")
	if err := os.WriteFile(key, p.key.Public, 0o600); err != nil {
		t.Fatal(err)
	}
	p.o = &options{reloadPeriod: time.Millisecond, bundle: bundleOptions{address: p.file, keys: []string{"team=" + key}, dir: t.TempDir()}}
	return p
}

// put publishes a bundle without a serial.
func (p *published) put(name string, at time.Time) {
	p.t.Helper()
	text := "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: " + name + ", guardrail: default-deny, action: deny}\n"
	if err := os.WriteFile(p.file, bundletest.Sign(p.t, bundletest.Build(p.t, name, -1, text), p.key, "", at), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *published) asks() *bundles {
	p.t.Helper()
	s, err := newBundles(p.o, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), time.Now)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// An earlier signature of the files in force puts no clock back, neither while they are nor at
// a start: a bundle that was signed in between stays too old.
func TestAnEarlierSignaturePutsNoClockBack(t *testing.T) {
	p := newPublished(t)
	early, between, late := time.Unix(1e9, 0), time.Unix(1e9+60, 0), time.Unix(1e9+120, 0)
	never := func() error { t.Error("a good one is kept"); return nil }
	p.put("v13", late)
	s := p.asks()
	if _, err := s.first(t.Context(), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	look := func(s *bundles) {
		t.Helper()
		p.put("v13", early)
		if b, err := s.next(t.Context(), s.try); b != nil || err != nil {
			t.Errorf("the earlier signature: taken %v, %v", b != nil, err)
		}
		p.put("v12", between)
		if b, err := s.next(t.Context(), s.try); b != nil || bundle.ReasonOf(err) != bundle.Older || err == nil {
			t.Errorf("the bundle from in between: taken %v, %v", b != nil, err)
		}
	}
	look(s)
	p.put("v13", early)
	s = p.asks()
	if b, err := s.first(t.Context(), never); err != nil || !b.Signature.Signed.Equal(late) {
		t.Errorf("at a start: %v", err)
	}
	look(s)
	kept, err := s.stored(t.Context())
	if err != nil || !kept.Signature.Signed.Equal(late) {
		t.Errorf("what is kept has another signature: %v", err)
	}
	after := late.Add(time.Hour)
	p.put("v13", after)
	if _, err := s.next(t.Context(), s.try); err != nil || !s.inForce.Signature.Signed.Equal(after) {
		t.Errorf("signed again: %v", err)
	}
}

// A bundle that objects kept out is tried again; one that is wrong by itself is not.
func TestABundleThatObjectsKeptOutIsTriedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		tries int
	}{
		"Objects": {&bundle.Refusal{Reason: bundle.Invalid, Err: fmt.Errorf("%w: they do not", errObjects)}, 3},
		"Itself":  {&bundle.Refusal{Reason: bundle.Invalid, Err: context.DeadlineExceeded}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublished(t)
			p.put("v1", time.Unix(1e9, 0))
			s, tries := p.asks(), 0
			for range 3 {
				if b, _ := s.next(t.Context(), func(*bundle.Bundle) error { tries++; return test.err }); b != nil {
					t.Fatal("it is taken")
				}
			}
			if tries != test.tries {
				t.Errorf("%d tries, want %d", tries, test.tries)
			}
		})
	}
}
