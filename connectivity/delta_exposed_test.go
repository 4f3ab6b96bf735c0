package connectivity_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// TestLawExposuresAreTheNaiveReading: isolation is compared end by end as paths are:
// exposed is who is not isolated and was, in everything that it was.
func TestLawExposuresAreTheNaiveReading(t *testing.T) {
	checks(t, 500, func(t *rapid.T) {
		d := drawDelta(t)
		q := d.question()
		q.to = q.from // one side alone
		after := d.change()
		naive := newReadDelta(d.objects, after, q)
		naive.believed = rapid.Bool().Draw(t, "believed")
		want, got := naive.exposures(), engineExposures(t, naive, d.objects, after)
		if !maps.Equal(want, got) {
			t.Fatalf("exposures (-reading +engine):\n%s\nquestion: %s\nbefore:\n%s\nafter the change:\n%s",
				cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))), asked(q), inLines(d.objects), inLines(differing(d.objects, after)))
		}
	})
}

var directionTypes = map[cluster.Direction]networkingv1.PolicyType{
	cluster.Egress: networkingv1.PolicyTypeEgress, cluster.Ingress: networkingv1.PolicyTypeIngress,
}

// exposures are peers with a direction.
func (d *readDelta) exposures() map[string]bool {
	out := map[string]bool{}
	for _, x := range slices.DeleteFunc(slices.Clone(d.after.everyone), d.isCopy) {
		if !d.chosen(x, d.question.from) {
			continue
		}
		for direction, policyType := range directionTypes {
			was := open.level
			for _, then := range d.was(x) {
				if d.before.chosen(then, d.question.from) {
					was = min(was, d.before.isolatedLevel(policyType, then))
				}
			}
			if d.after.isolatedLevel(policyType, x) < was {
				out[d.after.peer(x)+" "+direction.String()] = true
			}
		}
	}
	return out
}

// isolatedLevel is that of isolation: nothing isolates who is on the host's network.
func (m *moment) isolatedLevel(policyType networkingv1.PolicyType, x *someone) int {
	if x.end.hostNetwork {
		return blocked.level
	}
	return m.isolated(policyType, x.end).level
}

func engineExposures(t *rapid.T, naive *readDelta, objects, changed []runtime.Object) map[string]bool {
	before := clustertest.Snapshot(t, objects...)
	after := clustertest.Apply(t, before, changesOf(t, objects, changed)...)
	out := map[string]bool{}
	for _, x := range connectivity.Exposed(before, after, selectionOf(t, naive.question.from), connectivity.Options{Believed: naive.believed}, cluster.Egress, cluster.Ingress) {
		out[x.Workload.String()+" "+x.Direction.String()] = true
	}
	return out
}
