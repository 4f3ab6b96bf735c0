package guardrail

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

// What nobody asks about has no sender and no object as sent: to leave them out would be
// an answer of its own.
func TestHindsightAsksOnlyWhatItCanAnswer(t *testing.T) {
	e := engine(t, Deny, map[string]string{
		"model":  `violation contains {"msg": input.request.name} if count(cluster.namespaces()) > 0`,
		"object": `violation contains {"msg": "x"} if not input.request.object.metadata.labels.team`,
		"sender": `violation contains {"msg": "x"} if not input.request.userInfo.username == "admin"`,
		"dryrun": `violation contains {"msg": "x"} if not input.request.dryRun`,
		"whole":  `violation contains {"msg": "x"} if count(input) > 0`,
	})
	f := e.InForce()
	names, blind := f.Judging()
	slices.Sort(blind)
	if !slices.Equal(names, []string{"model"}) || !slices.Equal(blind, []string{"dryrun", "object", "sender", "whole"}) {
		t.Errorf("%q judge and %q are blind", names, blind)
	}
	r := anyPod(t)
	decisions, err := f.EvaluateInHindsight(t.Context(), r.Before, r.After, false, []Review{r})
	if err != nil || len(decisions) != 1 || len(decisions[0].Violations) != 1 {
		t.Errorf("%+v, %v", decisions, err)
	}
}

// A reload does not change what is in force for those that have begun.
func TestInForceStays(t *testing.T) {
	e := engine(t, Deny, map[string]string{"old": `violation contains "x"`})
	f := e.InForce()
	other := engine(t, Deny, map[string]string{"new": `violation contains "x"`})
	e.current.Store(other.current.Load())
	if names, _ := f.Judging(); !slices.Equal(names, []string{"old"}) {
		t.Errorf("in force: %q", names)
	}
}

// Of many changes each guardrail is asked beside one of a kind.
func TestSurvey(t *testing.T) {
	e := engine(t, Deny, map[string]string{"a": `violation contains {"msg": input.request.name}`})
	s := clustertest.Snapshot(t, clustertest.Namespace("shop"))
	var reviews []Review
	for _, o := range []runtime.Object{clustertest.Pod("shop/a"), clustertest.Pod("shop/b"), clustertest.Deployment("shop/c")} {
		reviews = append(reviews, review(t, s, nil, o))
	}
	decisions, err := e.InForce().Survey(t.Context(), s, s, reviews)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, d := range decisions {
		got = append(got, len(d.Violations))
	}
	if !slices.Equal(got, []int{1, 0, 1}) {
		t.Errorf("violations beside each: %v", got)
	}
}
