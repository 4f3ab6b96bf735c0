package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/test/bench/load"
	"github.com/podcullis/podcullis/test/bench/town"
	"github.com/podcullis/podcullis/test/controlplane"
)

const (
	breakIns       = 400
	breakInsPace   = 4.0 // a second
	seenTurns      = 3
	seenNetpolRate = 2 // netpols to the rate of the other towns
)

// measureSeen has netpols open forbidden paths of which nobody asks the webhook, and
// waits for it to say so; then it measures what looking for them costs admission.
func (s *sheet) measureSeen(ctx context.Context) error {
	admission := func(r row) bool { return r.Name == "seen-admission" }
	wanted := slices.DeleteFunc(s.wanted(), func(r row) bool { return r.suite() != "seen" })
	if slices.ContainsFunc(wanted, func(r row) bool { return !admission(r) }) {
		if err := s.measureBreakIns(ctx); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(wanted, admission) {
		return nil
	}
	return s.measureSeenAdmission(ctx)
}

func (s *sheet) measureBreakIns(ctx context.Context) (err error) {
	p := s.town()
	p.Netpols *= seenNetpolRate
	st, err := setStage(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.strike()) }()
	ways, holes := pathsInto(p, max(3, int(breakIns*s.scale)))
	for _, way := range ways { // open nothing: the databases let nobody of them in
		if err := st.api.Put(way); err != nil {
			return err
		}
	}
	if err := s.awaitQuiet(ctx, st); err != nil {
		return err
	}
	before := len(st.webhook.seen())
	duration := time.Duration(float64(len(holes)) / breakInsPace * float64(time.Second))
	put := load.Open(ctx, 1, breakInsPace, duration, func(_ context.Context, n int) error { return st.api.Put(holes[min(n, len(holes)-1)]) })
	if put.First != nil {
		return put.First
	}
	if err := s.awaitQuiet(ctx, st); err != nil {
		return err
	}
	delays := load.Latencies(st.webhook.seen()[before:])
	how := fmt.Sprintf("netpols that let a frontend of a namespace reach a database of another, %.0f a second, of which nobody asks the server; as it logs, to the millisecond; %s", breakInsPace, p)
	if len(delays) == 0 {
		return fmt.Errorf("nothing was reported of %d netpols", len(holes))
	}
	s.putLatency("seen-p99", delays, 0.99, "%s", how)
	s.putLatency("seen-p50", delays, 0.5, "%s", how)
	s.put("seen-all", 100*float64(min(len(delays), len(holes)))/float64(len(holes)), len(holes), "%s", how)
	return nil
}

// awaitQuiet waits until the server has reported nothing for two seconds.
func (s *sheet) awaitQuiet(ctx context.Context, st *stage) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	last, since := -1, time.Now()
	return controlplane.Await(ctx, "the last report", func(context.Context) error {
		if n := len(st.webhook.seen()); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) < 2*time.Second {
			return errors.New("it reports")
		}
		return nil
	})
}

// pathsInto are netpols that let one frontend of each namespace reach out, and others of
// which each lets one of those into a database of another namespace.
func pathsInto(p town.Plan, n int) (ways, holes []client.Object) {
	var namespaces []string
	databases, frontends := map[string]string{}, map[string]string{} // the first of a namespace
	for o := range p.Objects() {
		pod, ok := o.(*corev1.Pod)
		if !ok {
			continue
		}
		ns, name := pod.Namespace, pod.Labels["app.kubernetes.io/name"]
		switch {
		case pod.Labels[town.TierLabel] == town.Frontend && frontends[ns] == "":
			frontends[ns] = name
		case pod.Labels[town.TierLabel] == town.Database && databases[ns] == "":
			databases[ns] = name
			namespaces = append(namespaces, ns)
		}
	}
	only := func(name string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": name}}
	}
	netpol := func(namespace, name string, spec networkingv1.NetworkPolicySpec) client.Object {
		np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
		np.SetGroupVersionKind(networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"))
		return np
	}
	for _, ns := range namespaces {
		ways = append(ways, netpol(ns, "way-out", networkingv1.NetworkPolicySpec{
			PodSelector: only(frontends[ns]), PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}, Egress: []networkingv1.NetworkPolicyEgressRule{{}},
		}))
	}
	for i := range min(n, len(namespaces)*(len(namespaces)-1)) {
		to, step := namespaces[i%len(namespaces)], 1+i/len(namespaces)
		from := namespaces[(i+step)%len(namespaces)]
		pods := only(frontends[from])
		holes = append(holes, netpol(to, fmt.Sprintf("hole-%d", i), networkingv1.NetworkPolicySpec{
			PodSelector: only(databases[to]), PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{
				PodSelector: &pods, NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": from}},
			}}}},
		}))
	}
	return ways, holes
}

// measureSeenAdmission compares two servers in turns, as the machine changes.
func (s *sheet) measureSeenAdmission(ctx context.Context) error {
	var with, without load.Latencies
	for range min(seenTurns, s.rounds) {
		for _, watches := range []bool{true, false} {
			l, err := s.busyReviews(ctx, watches)
			if err != nil {
				return err
			}
			if watches {
				with = append(with, l...)
			} else {
				without = append(without, l...)
			}
		}
	}
	ratio := float64(with.Quantile(0.99)) / float64(without.Quantile(0.99))
	s.put("seen-admission", ratio, len(with)+len(without), "servers with and without --watch-violations in turns, %.0f reviews a second while %d objects a second change; p99 %s and %s; %s",
		reviewsPerSecond, changesPerSecond, with.Quantile(0.99).Round(time.Microsecond), without.Quantile(0.99).Round(time.Microsecond), s.town())
	return nil
}

// busyReviews are the latencies of plain reviews while objects change.
func (s *sheet) busyReviews(ctx context.Context, watches bool) (l load.Latencies, err error) {
	r, err := newReviewer(s.town())
	if err != nil {
		return nil, err
	}
	st, err := setStage(ctx, s.town(), fmt.Sprintf("--watch-violations=%t", watches))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.strike()) }()
	d := &duel{own: st.webhook}
	for range 500 {
		body, err := r.podCreate()
		if err != nil {
			return nil, err
		}
		d.bodies = append(d.bodies, body)
	}
	if warm := load.Closed(ctx, clients, s.phase, d.asking(d.own)); warm.First != nil {
		return nil, warm.First
	}
	duration := s.phase * time.Duration(s.rounds)
	objects := changing(s.town(), int(changesPerSecond*duration.Seconds()))
	changed := make(chan load.Result, 1)
	go func() {
		rate := min(changesPerSecond, float64(len(objects))/duration.Seconds())
		changed <- load.Open(ctx, 1, rate, duration, func(_ context.Context, n int) error { return st.api.Put(objects[min(n, len(objects)-1)]) })
	}()
	result := load.Open(ctx, clients, reviewsPerSecond, duration, d.asking(d.own))
	return result.Latencies, errors.Join(result.First, (<-changed).First)
}
