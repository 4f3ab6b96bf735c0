package connectivity_test

import (
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// TestLawExposuresAreTheNaiveReading: isolation is compared end by end as paths are:
// exposed is who is not isolated and was, in everything that it was.
func TestLawExposuresAreTheNaiveReading(t *testing.T) {
	oneSided := func(q question) question {
		q.to = q.from
		return q
	}
	lawOfOneChange(t, "exposures", oneSided, (*readDelta).exposures, engineExposures)
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

func engineExposures(_ *rapid.T, c oneChange) map[string]bool {
	out := map[string]bool{}
	for _, x := range connectivity.Exposed(c.before, c.after, c.query.From, c.options, cluster.Egress, cluster.Ingress) {
		out[x.Workload.String()+" "+x.Direction.String()] = true
	}
	return out
}
