package town_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/test/bench/town"
)

func small() town.Plan { return town.Plan{Seed: 1, Pods: 1003, Namespaces: 10, Netpols: 107} }

func solitary() town.Plan {
	p := small()
	p.Solitary = true
	return p
}

func TestTownHasWhatWasAskedFor(t *testing.T) {
	for name, plan := range map[string]town.Plan{
		"AsPeopleArrangeThem": small(),
		"EveryPodAlone":       solitary(),
		"FewNetpols":          {Seed: 3, Pods: 100, Namespaces: 5, Netpols: 10},
	} {
		t.Run(name, func(t *testing.T) {
			if err := plan.Validate(); err != nil {
				t.Fatal(err)
			}
			got := town.Plan{Seed: plan.Seed, Solitary: plan.Solitary}
			addresses := map[string]bool{}
			for o := range plan.Objects() {
				switch o := o.(type) {
				case *corev1.Namespace:
					got.Namespaces++
				case *corev1.Pod:
					got.Pods++
					if !o.Spec.HostNetwork && addresses[o.Status.PodIP] {
						t.Errorf("pod %s/%s: address %s is another's", o.Namespace, o.Name, o.Status.PodIP)
					}
					addresses[o.Status.PodIP] = true
				case *networkingv1.NetworkPolicy:
					got.Netpols++
				}
			}
			if diff := cmp.Diff(plan, got); diff != "" {
				t.Errorf("town (-asked +got):\n%s", diff)
			}
		})
	}
}

func TestTheSamePlanGivesTheSameTown(t *testing.T) {
	other := small()
	other.Seed++
	if diff := cmp.Diff(text(t, small()), text(t, small())); diff != "" {
		t.Errorf("two towns of one plan (-first +second):\n%s", diff)
	}
	if cmp.Equal(text(t, small()), text(t, other)) {
		t.Error("another seed gave the same town")
	}
}

func text(t *testing.T, p town.Plan) []string {
	t.Helper()
	var out []string
	for o := range p.Objects() {
		raw, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(raw))
	}
	return out
}

func TestPodsBelongToWorkloads(t *testing.T) {
	s := snapshot(t, small())
	for ns := range s.Namespaces() {
		for w := range s.Workloads(ns.Name) {
			if w.Kind == "Pod" {
				t.Errorf("%s stands alone: its labels are not those of its controller's template", w.Ref)
			}
		}
	}
}

func TestSolitaryPodsAreAllDifferent(t *testing.T) {
	plan := solitary()
	s := snapshot(t, plan)
	var alone int
	for w := range s.AllWorkloads() {
		if w.Kind != "Pod" {
			t.Errorf("%s is no lone pod", w.Ref)
		}
		alone++
	}
	if alone != plan.Pods {
		t.Errorf("%d pods stand alone, want %d", alone, plan.Pods)
	}
	var looked int
	for ns := range s.Namespaces() {
		for _, n := range s.Netpols(ns.Name) {
			if n.Selector.String() != "everything" {
				looked++
			}
		}
	}
	if looked == 0 {
		t.Error("no netpol looks at the pods' own labels")
	}
}

// TestTownIsLivedIn holds that the town has the features for which it is measured, and
// that its netpols open some paths and keep others shut.
func TestTownIsLivedIn(t *testing.T) {
	features := map[string]bool{}
	see := func(name string, there bool) { features[name] = features[name] || there }
	for o := range small().Objects() {
		switch o := o.(type) {
		case *appsv1.ReplicaSet:
			see("pod-template-hash", o.Spec.Template.Labels["pod-template-hash"] != "")
		case *corev1.Pod:
			see("host network", o.Spec.HostNetwork)
			see("pod-index", o.Labels["apps.kubernetes.io/pod-index"] != "")
		case *networkingv1.NetworkPolicy:
			see("default-deny", len(o.Spec.PolicyTypes) == 2 && len(o.Spec.Ingress)+len(o.Spec.Egress) == 0)
			for _, r := range o.Spec.Ingress {
				for _, p := range r.From {
					see("namespaceSelector", p.NamespaceSelector != nil)
					see("matchExpressions", p.PodSelector != nil && len(p.PodSelector.MatchExpressions) > 0)
				}
				for _, p := range r.Ports {
					see("named port", p.Port != nil && p.Port.StrVal != "")
					see("endPort", p.EndPort != nil)
				}
			}
			for _, r := range o.Spec.Egress {
				for _, p := range r.To {
					see("ipBlock", p.IPBlock != nil && len(p.IPBlock.Except) > 0)
				}
				for _, p := range r.Ports {
					see("DNS", p.Port != nil && p.Port.IntVal == 53)
				}
			}
		}
	}
	want := map[string]bool{}
	for _, name := range []string{"pod-template-hash", "host network", "pod-index", "default-deny", "namespaceSelector", "matchExpressions", "named port", "endPort", "ipBlock", "DNS"} {
		want[name] = true
	}
	if diff := cmp.Diff(want, features); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}

	s := snapshot(t, small())
	var workloads int
	for range s.AllWorkloads() {
		workloads++
	}
	pairs := map[[2]cluster.Ref]bool{}
	for _, c := range connectivity.Open(s, connectivity.Query{From: connectivity.Everyone(), To: connectivity.Everyone()}, connectivity.Options{}) {
		if c.Unknown == "" {
			pairs[[2]cluster.Ref{c.From.Workload.Ref, c.To.Workload.Ref}] = true
		}
	}
	if all := workloads * workloads; len(pairs) < all/100 || len(pairs) > all/4 {
		t.Errorf("%d of %d pairs are open: that is nobody's cluster", len(pairs), all)
	}
}

func TestImpossiblePlans(t *testing.T) {
	for name, plan := range map[string]town.Plan{
		"NoRoomForApplications": {Pods: 100, Namespaces: 3, Netpols: 10},
		"TooFewPods":            {Pods: 10, Namespaces: 5, Netpols: 10},
		"TooFewNetpols":         {Pods: 100, Namespaces: 5, Netpols: 5},
	} {
		t.Run(name, func(t *testing.T) {
			if plan.Validate() == nil {
				t.Errorf("%s: no error", plan)
			}
		})
	}
}

func snapshot(t *testing.T, p town.Plan) *cluster.Snapshot {
	t.Helper()
	objects, err := p.Model()
	if err != nil {
		t.Fatal(err)
	}
	s, err := cluster.New(objects...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
