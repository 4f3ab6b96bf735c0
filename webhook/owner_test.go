package webhook

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

// shows is a model that shows something as soon as somebody waits for it.
type shows struct {
	*liveShop
	t       *testing.T
	objects []cluster.Change
	waits   int
}

func (s *shows) WaitFor(ctx context.Context, condition func(*cluster.Snapshot) bool) bool {
	s.waits++
	for _, c := range s.objects {
		s.show(s.t, c)
	}
	return s.liveShop.WaitFor(ctx, condition)
}

func TestAnOwnerThatIsNotKnownYet(t *testing.T) {
	ofWeb := "{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}"
	webAs := func(uid string) clustertest.Option { return owned("apps/v1", "Deployment", "web", uid) }
	hole := clustertest.Labels("tier=frontend", "access=db")
	pod := func(t *testing.T) admission.Request {
		return request(t, "CREATE", "Pod", "data", "x", podOf("x", "new", holeLabels, ofNewWeb), "")
	}
	tests := map[string]struct {
		reason  string
		request func(t *testing.T) admission.Request
		shown   []cluster.Change
		still   bool // no API server
		code    int32
		said    string
		waits   int
	}{
		"AReplicaSetThatShows": {
			request: pod, waits: 1,
			shown: clustertest.Create(t, clustertest.ReplicaSet("data/web-1", hole, clustertest.UID("w1"), webAs("d"))),
		},
		"AReplicaSetThatDoesNot": {
			request: pod, waits: 1, code: 429,
			said: "this change to Pod data/x could not be judged, so it is refused: it names ReplicaSet data/web-1 (uid w1), which is not known: " +
				"if it was created a moment ago, try again; without it: [frontend-never-reaches-db] data/",
		},
		"AReplicaSetWithAnotherUID": {
			request: pod, waits: 1, code: 429, said: "(uid w1), which is not known",
			shown: clustertest.Create(t, clustertest.ReplicaSet("data/web-1", hole, clustertest.UID("w2"), webAs("d"))),
		},
		"AReplicaSetThatShowsAndBearsNothingOut": {
			reason: "its selector does not take the pod", request: pod, waits: 1, code: 403, said: "[frontend-never-reaches-db]",
			shown: clustertest.Create(t, clustertest.ReplicaSet("data/web-1", clustertest.Labels("app=other"), clustertest.UID("w1"))),
		},
		"AModelThatDoesNotMove": {request: pod, still: true, code: 403, said: "[frontend-never-reaches-db]"},
		"APodThatNeedsNoOwner": {
			request: func(t *testing.T) admission.Request {
				return request(t, "CREATE", "Pod", "data", "x", podOf("x", "new", plainLabels, ofNewWeb), "")
			},
		},
		"AClaimThatWasThere": {
			reason: "it is older than this request, so that the owner is gone",
			request: func(t *testing.T) admission.Request {
				return request(t, "UPDATE", "Pod", "data", "plain", podOf("plain", "p1", holeLabels, ofNewWeb), podOf("plain", "p1", plainLabels, ofNewWeb))
			},
			code: 403, said: "[frontend-never-reaches-db]",
		},
		"AClaimThatIsNew": {
			request: func(t *testing.T) admission.Request {
				return request(t, "UPDATE", "Pod", "data", "plain", podOf("plain", "p1", holeLabels, ofNewWeb), podOf("plain", "p1", plainLabels, ""))
			},
			waits: 1, code: 429, said: "names ReplicaSet data/web-1",
		},
		"AReplicaSetOfAMadeUpDeployment": {
			request: func(t *testing.T) admission.Request {
				return request(t, "CREATE", "ReplicaSet", "data", "made", madeWith(holeLabels, strings.Replace(ofWeb, "uid: d", "uid: e", 1)), "")
			},
			waits: 1, code: 429, said: "it names Deployment data/web (uid e), which is not known",
		},
		"AReplicaSetOfADeploymentThatIsThere": {
			request: func(t *testing.T) admission.Request {
				return request(t, "CREATE", "ReplicaSet", "data", "made", madeWith(holeLabels, ofWeb), "")
			},
		},
		"AJobOfACronJobThatShows": {
			request: func(t *testing.T) admission.Request {
				return request(t, "CREATE", "Job", "data", "made", madeWith(holeLabels, "{apiVersion: batch/v1, kind: CronJob, name: nightly, uid: n1, controller: true}"), "")
			},
			waits: 1,
			shown: clustertest.Create(t, clustertest.CronJob("data/nightly", hole, clustertest.UID("n1"))),
		},
		"AJobOfAMadeUpCronJob": {
			request: func(t *testing.T) admission.Request {
				return request(t, "CREATE", "Job", "data", "made", madeWith(holeLabels, "{apiVersion: batch/v1, kind: CronJob, name: nightly, uid: n1, controller: true}"), "")
			},
			waits: 1, code: 429, said: "it names CronJob data/nightly (uid n1)",
		},
		"AnOwnerOfAGroupThatIsMadeUp": {
			reason: "a kind that the model does not hold is not waited for",
			request: func(t *testing.T) admission.Request {
				return request(t, "CREATE", "Pod", "data", "x", podOf("x", "new", holeLabels, strings.Replace(ofNewWeb, "apps/v1", "evil.example/v1", 1)), "")
			},
			code: 403, said: "[frontend-never-reaches-db]",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := prometheus.NewRegistry()
			j, model := oldHole(t, JudgeOptions{Remember: !test.still, Claims: &askedClaims{}, Metrics: NewJudgeMetrics(registry)})
			moving := &shows{liveShop: model, t: t, objects: test.shown}
			j.Model = moving
			got := j.Handle(t.Context(), test.request(t))
			if got.Allowed != (test.code == 0) || (test.code != 0 && (got.Result.Code != test.code || !strings.Contains(got.Result.Message, test.said))) {
				t.Errorf("%s: allowed %v, want code %d and %q: %v", test.reason, got.Allowed, test.code, test.said, got.Result)
			}
			if moving.waits != test.waits {
				t.Errorf("waited %d times, want %d", moving.waits, test.waits)
			}
			if test.code == 429 && (got.Result.Details == nil || got.Result.Details.RetryAfterSeconds != 1 || counted(t, registry, "podcullis_owner_waits_total", ownerMissing) != 1) {
				t.Errorf("no second to wait, or not counted: %v", got.Result)
			}
		})
	}
}

// A dry run says what it would have said.
func TestADryRunOfAnOwnerThatIsNotKnown(t *testing.T) {
	j, _ := oldHole(t, JudgeOptions{Remember: true, Mode: Audit})
	got := j.Handle(t.Context(), request(t, "CREATE", "Pod", "data", "x", podOf("x", "new", holeLabels, ofNewWeb), ""))
	if !got.Allowed || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "could not be judged: it names ReplicaSet data/web-1 (uid w1), which is not known") {
		t.Errorf("%v %q", got.Allowed, got.Warnings)
	}
}
