package cluster_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
)

// TestLawWhatIsDerived: workloads, guards and indices are carried over from one
// snapshot to the next where nothing touched them. However the changes came, and
// whenever somebody looked, they are those of a snapshot made at once, and what
// a selector finds by index is what it matches one by one.
func TestLawWhatIsDerived(t *testing.T) { rapid.Check(t, derivedIsFromScratch) }

// FuzzUpdates: whatever the changes and their order, the model is that of the objects that are left.
func FuzzUpdates(f *testing.F) { f.Fuzz(rapid.MakeFuzz(derivedIsFromScratch)) }

func derivedIsFromScratch(t *rapid.T) {
	s := &cluster.Snapshot{}
	for range rapid.IntRange(1, 12).Draw(t, "changes") {
		was, before := s, objectsOf(s)
		var changes []cluster.Change
		for range rapid.IntRange(1, 3).Draw(t, "in one Apply") {
			object := drawObject(t)
			change := clustertest.Create(t, object)
			if rapid.IntRange(0, 3).Draw(t, "deleted") == 0 {
				change = clustertest.Delete(t, object)
			}
			changes = append(changes, change...)
		}
		s = clustertest.Apply(t, s, changes...)
		if rapid.Bool().Draw(t, "somebody looks") {
			checkDerived(t, s)
		}
		if diff := cmp.Diff(before, objectsOf(was)); diff != "" {
			t.Fatalf("the earlier snapshot has changed (-want +got):\n%s", diff)
		}
	}
	checkDerived(t, s)
}

func checkDerived(t *rapid.T, s *cluster.Snapshot) {
	t.Helper()
	scratch, err := cluster.New(slices.Collect(s.Objects())...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(objectsOf(scratch), objectsOf(s)); diff != "" {
		t.Fatalf("from scratch and step by step (-scratch +steps):\n%s", diff)
	}
	for ns := range s.Namespaces() {
		if diff := cmp.Diff(scratch.KeysIn(ns.Name).Names(), s.KeysIn(ns.Name).Names()); diff != "" {
			t.Fatalf("selector keys in %s (-scratch +steps):\n%s", ns.Name, diff)
		}
	}
	if diff := cmp.Diff(variantsOf(scratch), variantsOf(s)); diff != "" {
		t.Fatalf("variants (-scratch +steps):\n%s", diff)
	}
	which := drawAnySelector(t)
	var want, got []string
	for ns := range s.Namespaces() {
		if ns.Matches(which) != selector.No {
			want = append(want, ns.Name)
		}
		checkVariants(t, s, ns.Name, which)
	}
	for ns := range s.SelectNamespaces(which) {
		got = append(got, ns.Name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("namespaces that %s selects (-one by one +by index):\n%s", which, diff)
	}
}

// variantsOf writes all variants down, in order.
func variantsOf(s *cluster.Snapshot) []string {
	var out []string
	for w := range s.AllWorkloads() {
		out = append(out, fmt.Sprint(w.Ref, w.Labels, w.Parent, w.ParentLabels))
		for _, v := range w.Variants {
			out = append(out, fmt.Sprint("  ", v.Labels, v.Ports, v.HostNetwork, v.Membership, v.IPs, v.Unaddressed, v.Pods, v.Templates))
		}
	}
	return out
}

func checkVariants(t *rapid.T, s *cluster.Snapshot, namespace string, which selector.Selector) {
	t.Helper()
	members := s.Members(namespace)
	var all []*cluster.Variant
	for w := range s.Workloads(namespace) {
		all = append(all, w.Variants...)
	}
	if !slices.Equal(all, members.Variants()) {
		t.Fatalf("the variants of %s are not those of its workloads, in order", namespace)
	}
	block := rapid.SampledFrom([]*cluster.IPBlock{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0")},
		{Prefix: netip.MustParsePrefix("10.0.0.0/30"), Except: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/32")}},
		{Prefix: netip.MustParsePrefix("10.0.0.2/31")},
		{Prefix: netip.MustParsePrefix("::/0")},
	}).Draw(t, "block")
	found := members.Select(which)
	for i, v := range all {
		if at, ok := members.Position(v); !ok || int(at) != i {
			t.Fatalf("variant %d of %s: its position is %d, %v", i, namespace, at, ok)
		}
		if found.Test(uint(i)) != (v.Matches(which) != selector.No) {
			t.Fatalf("%s on %v: by index %v", which, v.Labels, found.Test(uint(i)))
		}
		if members.OnHosts().Test(uint(i)) != v.HostNetwork || members.Unaddressed().Test(uint(i)) != v.Unaddressed {
			t.Fatalf("where variant %d of %s is: by index on hosts %v, unaddressed %v", i, namespace, members.OnHosts().Test(uint(i)), members.Unaddressed().Test(uint(i)))
		}
		if in := slices.ContainsFunc(v.IPs, block.Contains); members.Within(block).Test(uint(i)) != in {
			t.Fatalf("%v in %v: by index %v", v.IPs, block, !in)
		}
		guard := members.Isolation(uint(i))
		for d := range guard.By {
			var want []cluster.Isolator
			for _, n := range s.Netpols(namespace) {
				if m := v.Matches(n.Selector); m != selector.No && n.Isolates[d] {
					want = append(want, cluster.Isolator{Netpol: n, Match: m})
				}
			}
			if !slices.Equal(want, guard.By[d]) {
				t.Fatalf("netpols of %v: got %v, want %v", v.Labels, guard.By[d], want)
			}
		}
	}
}

func drawAnySelector(t *rapid.T) selector.Selector {
	var s metav1.LabelSelector
	drawKey := rapid.SampledFrom([]string{"app", "pod-template-hash", "env", "kubernetes.io/metadata.name", "nobody", "apps.kubernetes.io/pod-index", "statefulset.kubernetes.io/pod-name", "job-name", "batch.kubernetes.io/job-name", "topology.kubernetes.io/zone"})
	drawValue := rapid.SampledFrom([]string{"1", "2", "a", "", "x", "x-1", "x-1-2"})
	if rapid.Bool().Draw(t, "by labels") {
		s.MatchLabels = map[string]string{drawKey.Draw(t, "label"): drawValue.Draw(t, "value")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "expressions") {
		e := metav1.LabelSelectorRequirement{
			Key:      drawKey.Draw(t, "key"),
			Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Like"}).Draw(t, "operator"),
		}
		if e.Operator == "In" || e.Operator == "NotIn" {
			e.Values = rapid.SliceOfN(drawValue, 1, 2).Draw(t, "values")
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	selector, err := selector.New(s)
	_ = err // one that does not parse may select anything, and has to be found as such
	return selector
}
