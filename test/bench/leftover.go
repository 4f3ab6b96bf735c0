package main

import (
	"context"
	"fmt"
	"math"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/test/bench/town"
)

// passing is how many namespaces come and go, at full scale.
const passing = 20_000

// measureLeftover lets namespaces with a netpol come and go, and compares heap
// and answers with those of before.
func (s *sheet) measureLeftover(ctx context.Context) error {
	p := s.plan(1_000, 20, 200)
	empty := heap()
	objects, err := p.Model()
	if err != nil {
		return err
	}
	model, err := cluster.New(objects...)
	if err != nil {
		return err
	}
	if err := firstQuestion(model); err != nil {
		return err
	}
	before := heap() - empty
	visitors := max(100, int(passing*s.scale))
	const together = 50 // namespaces are there at once
	for i := range visitors + together {
		if i%100 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		next := model
		if i < visitors {
			if next, err = arrive(next, i); err != nil {
				return err
			}
		}
		if i >= together {
			if next, err = leave(next, i-together); err != nil {
				return err
			}
		}
		if i%10 == 0 { // what a question leaves behind counts as well
			connectivity.Opened(model, next, forbidden(), connectivity.Options{})
		}
		model = next
	}
	if err := firstQuestion(model); err != nil {
		return err
	}
	after := heap() - empty
	how := fmt.Sprintf("%d namespaces, each with a netpol and a pod whose labels nobody else has, %d at a time, forbidden-paths asked at every tenth step; %s", visitors, together, p)
	s.put("leftover-heap", 100*math.Abs(float64(after)-float64(before))/float64(before), visitors, "%.2f MB after, %.2f MB before; %s", float64(after)/1e6, float64(before)/1e6, how)
	fresh, err := cluster.New(objects...)
	if err != nil {
		return err
	}
	s.put("leftover-differences", float64(differences(model, fresh)), visitors, "connections that only one of the two lists; %s", how)
	return nil
}

func visitorName(i int) string { return fmt.Sprintf("visitor-%d", i) }

// visit is what comes and goes.
func visit(i int) (*cluster.Namespace, *cluster.Netpol, *cluster.Pod, error) {
	name := visitorName(i)
	np, err := cluster.NewNetpol(&networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{name: name}},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"visits": name}},
				PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{town.TierLabel: town.Frontend, name: name}},
			}}}},
		},
	})
	ns := &cluster.Namespace{Name: name, Labels: map[string]string{"kubernetes.io/metadata.name": name, "visits": name}}
	pod := &cluster.Pod{Namespace: name, Name: name, Labels: map[string]string{name: name, town.TierLabel: town.Database}}
	return ns, np, pod, err
}

func arrive(s *cluster.Snapshot, i int) (*cluster.Snapshot, error) {
	ns, np, pod, err := visit(i)
	if err != nil {
		return nil, err
	}
	return s.Apply(cluster.Change{After: ns}, cluster.Change{After: np}, cluster.Change{After: pod})
}

func leave(s *cluster.Snapshot, i int) (*cluster.Snapshot, error) {
	ns, np, pod, err := visit(i)
	if err != nil {
		return nil, err
	}
	return s.Apply(cluster.Change{Before: pod}, cluster.Change{Before: np}, cluster.Change{Before: ns})
}

// differences counts the connections that only one of two snapshots has.
func differences(a, b *cluster.Snapshot) int {
	count := map[string]int{}
	for _, c := range connectivity.Connections(a, connectivity.Options{}) {
		count[told(c)]++
	}
	for _, c := range connectivity.Connections(b, connectivity.Options{}) {
		count[told(c)]--
	}
	var n int
	for _, c := range count {
		n += max(c, -c)
	}
	return n
}

func told(c connectivity.Connection) string {
	return fmt.Sprint(c.From, " ", c.To, " ", c.Ports.Ranges(), " ", c.Unknown, " ", c.Because)
}
