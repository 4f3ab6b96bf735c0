package main

import (
	"log/slog"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook"
	"github.com/podcullis/podcullis/webhook/review"
)

// exposed asks what can be reached from outside, of every workload.
const exposed = `- {name: nothing-is-exposed, guardrail: exposed-to-outside, action: audit}
`

// BenchmarkReviewOfEntrances is BenchmarkReview without and with a guardrail
// exposed-to-outside, for which the model holds a Service for each workload, a tenth of them
// load balancers. Its figures are for the ratio of the two.
func BenchmarkReviewOfEntrances(b *testing.B) {
	s := sheet{settings: settings{scale: *scale, seed: 1}}
	r, err := newReviewer(s.town())
	if err != nil {
		b.Fatal(err)
	}
	plain := made(b, s.town())
	for _, side := range []struct {
		name, config string
		model        *cluster.Snapshot
	}{{"Without", guardrails, plain}, {"With", guardrails + exposed, served(b, plain)}} {
		library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
		if err != nil {
			b.Fatal(err)
		}
		config, err := guardrail.ParseConfig("bench", []byte(side.config))
		if err != nil {
			b.Fatal(err)
		}
		engine, err := guardrail.New(library, config)
		if err != nil {
			b.Fatal(err)
		}
		judge := webhook.NewJudge(webhook.JudgeOptions{
			Evaluator: engine, Model: still{side.model}, Mode: webhook.Enforce, Remember: true, Log: slog.New(slog.DiscardHandler),
		})
		handler := review.NewHandler(judge, review.Options{Logger: slog.New(slog.DiscardHandler)})
		for _, kind := range []struct {
			name  string
			write func() ([]byte, error)
		}{{"PodCreate", r.podCreate}, {"Deployment", r.deploymentUpdate}, {"Netpol", r.netpolUpdate}} {
			benchReviews(b, kind.name+"/"+side.name, handler, 100, kind.write)
		}
	}
}

// served is the model with a Service for each workload.
func served(b *testing.B, s *cluster.Snapshot) *cluster.Snapshot {
	b.Helper()
	var changes []cluster.Change
	n := 0
	for w := range s.AllWorkloads() {
		if len(w.Labels) == 0 {
			continue
		}
		svc := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: w.Name},
			Spec:       corev1.ServiceSpec{Selector: w.Labels, Ports: []corev1.ServicePort{{Port: 80}}},
		}
		if n%10 == 0 {
			svc.Spec.Type, svc.Spec.ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, corev1.ServiceExternalTrafficPolicyLocal
		}
		n++
		model, err := cluster.FromAPI(svc)
		if err != nil {
			b.Fatal(err)
		}
		changes = append(changes, cluster.Change{After: model})
	}
	out, err := s.Apply(changes...)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d Services", n)
	return out
}
