package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook"
	"github.com/podcullis/podcullis/webhook/review"
)

// BenchmarkReview is what the webhook does with the body of one request: all but
// TLS and HTTP.
func BenchmarkReview(b *testing.B) {
	s := sheet{settings: settings{scale: *scale, seed: 1}}
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		b.Fatal(err)
	}
	config, err := guardrail.ParseConfig("bench", []byte(guardrails))
	if err != nil {
		b.Fatal(err)
	}
	engine, err := guardrail.New(library, config)
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	judge := webhook.NewJudge(webhook.JudgeOptions{
		Evaluator: engine, Model: still{made(b, s.town())}, Mode: webhook.Enforce, Remember: true, Log: log,
	})
	handler := review.NewHandler(judge, review.Options{Logger: log})
	r, err := newReviewer(s.town())
	if err != nil {
		b.Fatal(err)
	}
	for name, write := range map[string]func() ([]byte, error){
		"PodCreate": r.podCreate, "PodStatus": r.podStatus, "Deployment": r.deploymentUpdate, "Netpol": r.netpolUpdate,
	} {
		benchReviews(b, name, handler, 200, write)
	}
}

// benchReviews has a handler answer some reviews of one kind, again and again.
func benchReviews(b *testing.B, name string, handler http.Handler, many int, write func() ([]byte, error)) {
	var bodies [][]byte
	for range many {
		body, err := write()
		if err != nil {
			b.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		began := processorTime(b)
		for i := 0; b.Loop(); i++ {
			w := httptest.NewRecorder()
			q := httptest.NewRequest(http.MethodPost, "/validate?timeout=10s", bytes.NewReader(bodies[i%len(bodies)]))
			q.Header.Set("Content-Type", "application/json")
			handler.ServeHTTP(w, q)
			if !bytes.Contains(w.Body.Bytes(), allowed) {
				b.Fatal(w.Body.String())
			}
		}
		b.ReportMetric(float64((processorTime(b)-began).Microseconds())/float64(b.N), "cpu-µs/op")
	})
}

// processorTime is what this process has used of all processors, the collector's part
// included: that others are at work on the machine changes it little.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// still is a model that does not move.
type still struct{ snapshot *cluster.Snapshot }

func (s still) Snapshot() *cluster.Snapshot { return s.snapshot }

func (s still) WaitFor(_ context.Context, condition func(*cluster.Snapshot) bool) bool {
	return condition(s.snapshot)
}
