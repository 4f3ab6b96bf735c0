package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook"
	"github.com/podcullis/podcullis/webhook/review"
)

// BenchmarkLibrary is BenchmarkReview with the default configuration, and with everything of
// the library in force at once as it is shown, but that nothing is denied: what both take in
// one run is to be compared, and what each entry takes by itself.
func BenchmarkLibrary(b *testing.B) {
	s := sheet{settings: settings{scale: *scale, seed: 1}}
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		b.Fatal(err)
	}
	catalog, err := guardrail.Catalog(library, policies.FS)
	if err != nil {
		b.Fatal(err)
	}
	const head = "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n"
	var all strings.Builder
	configs := []struct{ name, text string }{{"default", string(guardrail.DefaultConfig)}}
	for _, e := range catalog {
		all.WriteString(e.Example)
		configs = append(configs, struct{ name, text string }{"only-" + e.ID, head + e.Example})
	}
	configs = append(configs, struct{ name, text string }{"all", head + all.String()})
	town := made(b, s.town())
	r, err := newReviewer(s.town())
	if err != nil {
		b.Fatal(err)
	}
	bodies := map[string][][]byte{}
	for name, write := range map[string]func() ([]byte, error){"PodCreate": r.podCreate, "PodStatus": r.podStatus, "Deployment": r.deploymentUpdate, "Netpol": r.netpolUpdate} {
		for range 200 {
			body, err := write()
			if err != nil {
				b.Fatal(err)
			}
			bodies[name] = append(bodies[name], body)
		}
	}
	log := slog.New(slog.DiscardHandler)
	for _, c := range configs {
		config, err := guardrail.ParseConfig("bench", []byte(strings.ReplaceAll(c.text, "action: deny", "action: audit")))
		if err != nil {
			b.Fatal(err)
		}
		engine, err := guardrail.New(library, config)
		if err != nil {
			b.Fatal(err)
		}
		judge := webhook.NewJudge(webhook.JudgeOptions{Evaluator: engine, Model: still{town}, Mode: webhook.Enforce, Remember: true, Log: log})
		handler := review.NewHandler(judge, review.Options{Logger: log})
		for _, name := range []string{"PodCreate", "PodStatus", "Deployment", "Netpol"} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				began := processorTime(b)
				for i := 0; b.Loop(); i++ {
					w := httptest.NewRecorder()
					q := httptest.NewRequest(http.MethodPost, "/validate?timeout=10s", bytes.NewReader(bodies[name][i%len(bodies[name])]))
					q.Header.Set("Content-Type", "application/json")
					handler.ServeHTTP(w, q)
					if !bytes.Contains(w.Body.Bytes(), allowed) {
						b.Fatal(w.Body.String())
					}
				}
				b.ReportMetric(float64((processorTime(b)-began).Microseconds())/float64(b.N), "cpu-µs/op")
			})
		}
	}
}
