package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing/fstest"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/test/bench/load"
)

// The convoy: readers and writers that share a lock wait for the slowest of them.
const (
	reviewsPerSecond = 1000.0 / 3
	changesPerSecond = 200
	slowRule         = `violation contains {"msg": "slow"} if count([x | some x in numbers.range(1, 200000); x % 7 == 0]) < 0`
)

// churner is an engine whose model changes while it is asked.
type churner struct {
	who, version, answered string
	plain, slow            func(context.Context) error
	write                  func(context.Context, *corev1.Pod) error
}

// convoys measures a plain Pod review idle, and while the model changes and a slow
// review follows the one before.
func convoys(ctx context.Context, s *scene, duration time.Duration) ([]result, error) {
	us, err := ownChurner(s)
	if err != nil {
		return nil, err
	}
	them, err := gatekeeperChurner(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []result
	for _, c := range []*churner{us, them} {
		if err := c.plain(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", c.who, err)
		}
		idle := load.Open(ctx, 16, reviewsPerSecond, duration, func(ctx context.Context, _ int) error { return c.plain(ctx) })
		busy, applied, err := c.convoy(ctx, s, duration)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.who, err)
		}
		out = append(out,
			line("a plain Pod review every 3 ms, idle", c.who, c.version, idle.Latencies, idle.Latencies, 1, "nothing else happens"),
			line("the same while the model churns", c.who, c.version, busy, idle.Latencies, 1,
				fmt.Sprintf("ratio is to its own idle; %.0f %% of %d changes a second were applied; %s", 100*applied, changesPerSecond, c.answered)))
	}
	return out, nil
}

func (c *churner) convoy(ctx context.Context, s *scene, duration time.Duration) (load.Latencies, float64, error) {
	var pods []*corev1.Pod
	for _, o := range s.objects {
		if p, ok := o.(*corev1.Pod); ok {
			pods = append(pods, p)
		}
	}
	var others sync.WaitGroup
	var applied atomic.Int64
	var slow load.Result
	stop, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	others.Go(func() {
		load.Open(stop, 1, changesPerSecond, duration, func(ctx context.Context, n int) error {
			p := pods[n%len(pods)].DeepCopy()
			p.Labels["changed"] = fmt.Sprint(n)
			err := c.write(ctx, p)
			if err == nil && stop.Err() == nil { // what comes after the end came too late
				applied.Add(1)
			}
			return err
		})
	})
	others.Go(func() {
		slow = load.Closed(stop, 1, duration, func(ctx context.Context, _ int) error { return c.slow(context.WithoutCancel(ctx)) })
	})
	r := load.Open(ctx, 16, reviewsPerSecond, duration, func(ctx context.Context, _ int) error { return c.plain(ctx) })
	others.Wait()
	if slow.First != nil {
		return nil, 0, slow.First
	}
	return r.Latencies, float64(applied.Load()) / (changesPerSecond * duration.Seconds()), r.First
}

// ownChurner is the engine on snapshots behind an atomic pointer, as the live
// model publishes them.
func ownChurner(s *scene) (*churner, error) {
	o, err := newOwn(s)
	if err != nil {
		return nil, err
	}
	slow := "# METADATA\n# title: Slow\n# description: It takes its time.\n# custom: {severity: low, kinds: [ConfigMap]}\npackage guardrails.slow\n\n" + slowRule + "\n"
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS}, guardrail.Source{Name: "slow", FS: fstest.MapFS{"slow.rego": {Data: []byte(slow)}}})
	if err != nil {
		return nil, err
	}
	config, err := guardrail.ParseConfig("peers", []byte(ownConfig+"- {name: slow, guardrail: slow, action: deny}\n"))
	if err != nil {
		return nil, err
	}
	engine, err := guardrail.New(library, config)
	if err != nil {
		return nil, err
	}
	var now atomic.Pointer[cluster.Snapshot]
	now.Store(o.base)
	plainRequest, pod, err := podReview(s)
	if err != nil {
		return nil, err
	}
	slowRequest, err := configMapReview()
	if err != nil {
		return nil, err
	}
	judge := func(ctx context.Context, r *admissionv1.AdmissionRequest, change cluster.Change) error {
		before := now.Load()
		after := before
		if !change.Idle() {
			var err error
			if after, err = before.Apply(change); err != nil {
				return err
			}
		}
		_, err := engine.Evaluate(ctx, guardrail.Review{Request: r, Change: change, Before: before, After: after, Origin: guardrail.Admission, Time: time.Now()})
		return err
	}
	return &churner{
		who: "podcullis: guardrail.Engine", version: "this one", answered: "forbidden-paths judges the pod's paths",
		plain: func(ctx context.Context) error {
			object, err := cluster.FromAPI(pod)
			if err != nil {
				return err
			}
			return judge(ctx, plainRequest, cluster.Change{After: object})
		},
		slow: func(ctx context.Context) error { return judge(ctx, slowRequest, cluster.Change{}) },
		write: func(_ context.Context, p *corev1.Pod) error {
			object, err := cluster.FromAPI(p)
			if err != nil {
				return err
			}
			next, err := now.Load().Apply(cluster.Change{After: object})
			now.Store(next)
			return err
		},
	}, nil
}

func gatekeeperChurner(ctx context.Context, s *scene) (*churner, error) {
	g, err := newGatekeeper(ctx, s)
	if err != nil {
		return nil, err
	}
	for kind, rule := range map[string]string{
		"NoHostNetwork": `violation contains {"msg": "host network"} if input.review.object.spec.hostNetwork`,
		"Slow":          slowRule,
	} {
		if err := g.addTemplate(ctx, kind, "package "+lower(kind)+"\n\n"+rule+"\n"); err != nil {
			return nil, err
		}
		matched := map[string]string{"NoHostNetwork": "Pod", "Slow": "ConfigMap"}[kind]
		if err := g.addConstraint(ctx, kind, "", matched); err != nil {
			return nil, err
		}
	}
	plain, _, err := podReview(s)
	if err != nil {
		return nil, err
	}
	slow, err := configMapReview()
	if err != nil {
		return nil, err
	}
	review := func(r *admissionv1.AdmissionRequest) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := g.denies(ctx, r)
			return err
		}
	}
	return &churner{
		who: "Gatekeeper: constraint client", version: version("github.com/open-policy-agent/gatekeeper/v3"),
		answered: "less: a rule about one field of the pod", plain: review(plain), slow: review(slow),
		write: func(ctx context.Context, p *corev1.Pod) error { return g.addData(ctx, p) },
	}, nil
}

// podReview is one more pod of a workload in a namespace of applications.
func podReview(s *scene) (*admissionv1.AdmissionRequest, *corev1.Pod, error) {
	for _, o := range s.objects {
		p, ok := o.(*corev1.Pod)
		if !ok || p.Labels["tier"] != "worker" {
			continue
		}
		p = p.DeepCopy()
		p.Name += "x"
		r, err := create("pods", metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, p)
		return r, p, err
	}
	return nil, nil, fmt.Errorf("%s: no worker to copy", s.plan)
}

func configMapReview() (*admissionv1.AdmissionRequest, error) {
	c := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: "slow"}}
	return create("configmaps", metav1.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, c)
}

func create(resource string, gvk metav1.GroupVersionKind, o metav1.Object) (*admissionv1.AdmissionRequest, error) {
	raw, err := json.Marshal(o)
	r := &admissionv1.AdmissionRequest{
		UID: "30000000-0000-4000-8000-000000000000", Kind: gvk, Resource: metav1.GroupVersionResource{Version: gvk.Version, Resource: resource},
		Namespace: o.GetNamespace(), Name: o.GetName(), Operation: admissionv1.Create,
	}
	r.Object.Raw = raw
	return r, err
}
