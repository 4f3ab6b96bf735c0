package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
)

func TestSince(t *testing.T) {
	world := []runtime.Object{
		clustertest.Namespace("shop"), clustertest.Namespace("bank"), clustertest.Pod("bank/safe"),
		clustertest.Deployment("shop/web", clustertest.Labels("app=web")),
		clustertest.ReplicaSet("shop/web-1", clustertest.ControlledBy("Deployment/web"), clustertest.Labels("app=web")),
		clustertest.Pod("shop/web-1-a", clustertest.ControlledBy("ReplicaSet/web-1"), clustertest.Labels("app=web"), clustertest.IP("10.0.0.1")),
		clustertest.Pod("shop/db", clustertest.Labels("app=db")),
		clustertest.Netpol("shop/n", `{}`),
		clustertest.StatefulSet("shop/stray", clustertest.Labels("app=stray")),
		clustertest.Pod("shop/stray-0", clustertest.ControlledBy("StatefulSet/stray")),
	}
	tests := map[string]struct {
		reason           string
		created, deleted []runtime.Object
		want             []string
	}{
		"Nothing": {reason: "two names of one snapshot"},
		"TheSameOnceMore": {
			reason:  "an equal pod is no difference",
			created: []runtime.Object{clustertest.Pod("shop/db", clustertest.Labels("app=db"))},
			want:    []string{"shop"},
		},
		"APod": {
			reason:  "its workload alone",
			created: []runtime.Object{clustertest.Pod("shop/db", clustertest.Labels("app=db2"))},
			want:    []string{"shop workloads shop/Pod/db"},
		},
		"APodGetsItsAddress": {
			reason:  "an ipBlock may hold it",
			created: []runtime.Object{clustertest.Pod("shop/db", clustertest.Labels("app=db"), clustertest.IP("10.0.0.9"))},
			want:    []string{"shop workloads shop/Pod/db"},
		},
		"APodGetsAnotherAddress": {
			reason:  "an ipBlock may hold the one and not the other",
			created: []runtime.Object{clustertest.Pod("shop/web-1-a", clustertest.ControlledBy("ReplicaSet/web-1"), clustertest.Labels("app=web"), clustertest.IP("10.0.0.2"))},
			want:    []string{"shop workloads shop/Deployment/web"},
		},
		"TheTemplateOfAPodThatStandsAlone": {
			reason:  "the pod is chosen by that template's labels too",
			created: []runtime.Object{clustertest.StatefulSet("shop/stray", clustertest.Labels("app=other"))},
			want:    []string{"shop workloads shop/Pod/stray-0 shop/StatefulSet/stray"},
		},
		"APodRelabelledAway": {
			reason:  "the one that it was and the one that it is",
			created: []runtime.Object{clustertest.Pod("shop/web-1-a", clustertest.ControlledBy("ReplicaSet/web-1"), clustertest.Labels("app=debug"), clustertest.IP("10.0.0.1"))},
			want:    []string{"shop workloads shop/Deployment/web shop/Pod/web-1-a"},
		},
		"ATemplate": {
			reason:  "the Deployment, and the ReplicaSet that it leaves behind",
			created: []runtime.Object{clustertest.Deployment("shop/web", clustertest.Labels("app=web2"))},
			want:    []string{"shop workloads shop/Deployment/web shop/ReplicaSet/web-1"},
		},
		"APodGoes": {
			reason:  "a workload that is no more cannot be in the newer snapshot",
			deleted: []runtime.Object{clustertest.Pod("shop/db")},
			want:    []string{"shop"},
		},
		"ANetpolInTwoVersions": {
			reason:  "who was selected and who is",
			created: []runtime.Object{clustertest.Netpol("shop/n", `{podSelector: {matchLabels: {app: db}}}`)},
			want:    []string{"shop netpols app=db everything"},
		},
		"ANetpolGoes": {
			reason:  "who was selected",
			deleted: []runtime.Object{clustertest.Netpol("shop/n", `{}`)},
			want:    []string{"shop netpols everything"},
		},
		"ANamespaceRelabelled": {
			reason:  "everybody in it, and nobody else",
			created: []runtime.Object{clustertest.Namespace("bank", "env=prod")},
			want:    []string{"bank relabelled"},
		},
		"ANamespaceOfTheSameLabels": {
			reason:  "an annotation is nothing to a selector",
			created: []runtime.Object{clustertest.Namespace("bank")},
			want:    []string{"bank"},
		},
		"ANamespaceComes": {
			reason:  "with all that is in it",
			created: []runtime.Object{clustertest.Pod("lab/rat")},
			want:    []string{"lab relabelled workloads lab/Pod/rat"},
		},
		"ANamespaceGoes": {
			reason:  "it is not in the newer snapshot",
			deleted: []runtime.Object{clustertest.Namespace("bank"), clustertest.Pod("bank/safe")},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := clustertest.Snapshot(t, world...)
			after := clustertest.Apply(t, before, append(clustertest.Create(t, tt.created...), clustertest.Delete(t, tt.deleted...)...)...)
			if diff := cmp.Diff(tt.want, deltaLines(after.Since(before))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

func deltaLines(d cluster.Delta) []string {
	var out []string
	for _, n := range d.Namespaces {
		line := n.Name
		if n.Relabelled {
			line += " relabelled"
		}
		var netpols, workloads []string
		for _, np := range n.Netpols {
			netpols = append(netpols, np.Selector.String())
		}
		for _, w := range n.Workloads {
			workloads = append(workloads, w.String())
		}
		slices.Sort(netpols)
		if len(netpols) > 0 {
			line += " netpols " + strings.Join(netpols, " ")
		}
		if len(workloads) > 0 {
			line += " workloads " + strings.Join(workloads, " ")
		}
		out = append(out, line)
	}
	return out
}

// TestLawSince compares a delta with what differs when everything is printed.
func TestLawSince(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		world := drawWorld(t, "before")
		before := clustertest.Snapshot(t, world...)
		changes := clustertest.Create(t, drawWorld(t, "created")...)
		if len(world) > 0 {
			changes = append(changes, clustertest.Delete(t, rapid.SliceOfN(rapid.SampledFrom(world), 0, 3).Draw(t, "deleted")...)...)
		}
		after := clustertest.Apply(t, before, changes...)

		affected := map[string]bool{}
		d := after.Since(before)
		for _, n := range d.Namespaces {
			for _, w := range n.Workloads {
				affected["workload "+w.String()] = true
			}
			for _, np := range n.Netpols {
				affected["netpol "+np.Ref().String()] = true
			}
			if n.Relabelled {
				affected["namespace "+n.Name] = true
			}
		}
		was, is := facts(before), facts(after)
		for key, fact := range is {
			if was[key] != fact && !affected[key] {
				t.Fatalf("%s was %q and is %q, and the delta does not say so: %v", key, was[key], fact, affected)
			}
		}
		for key := range was {
			if _, still := is[key]; !still && strings.HasPrefix(key, "netpol ") && !affected[key] && !gone(after, key) {
				t.Fatalf("%s is no more, and the delta does not say so", key)
			}
		}
		for key := range affected {
			if strings.HasPrefix(key, "workload ") && was[key] == is[key] {
				t.Fatalf("%s is as it was, and the delta holds it", key)
			}
		}
	})
}

// gone reports whether the namespace of a netpol is gone with it.
func gone(s *cluster.Snapshot, key string) bool {
	namespace, _, _ := strings.Cut(strings.TrimPrefix(key, "netpol "), "/")
	_, ok := s.Namespace(namespace)
	return !ok
}

// facts print every workload, netpol and namespace by name.
func facts(s *cluster.Snapshot) map[string]string {
	var generated []selector.Selector
	for _, r := range []metav1.LabelSelectorRequirement{
		in("apps.kubernetes.io/pod-index", "0"), in("topology.kubernetes.io/zone", "1"), in("pod-template-hash", "1"), in("job-name", "x-1"),
	} {
		selector, _ := selector.New(metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{r}})
		generated = append(generated, selector)
	}
	out := map[string]string{}
	for ns := range s.Namespaces() {
		out["namespace "+ns.Name] = ns.Labels.String()
		for _, n := range s.Netpols(ns.Name) {
			out["netpol "+n.Ref().String()] = netpolLine(n)
		}
		for w := range s.Workloads(ns.Name) {
			out["workload "+w.String()] = w.Labels.String() + workloadLine(w)
			for _, v := range w.Variants {
				out["workload "+w.String()] += fmt.Sprint(v.IPs, v.Ports, v.Templates)
				for _, s := range generated { // what tells apart what they are yet to get
					out["workload "+w.String()] += fmt.Sprint(v.Matches(s), w.ParentMatches(s))
				}
			}
		}
	}
	return out
}
