package webhook

import (
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
)

// ledgerText is a namespace with one netpol.
const ledgerText = `
{apiVersion: v1, kind: Namespace, metadata: {name: ledger}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: ledger}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: twice, namespace: ledger}, spec: {podSelector: {matchLabels: {app: web, twice: "yes"}}, policyTypes: [Ingress, Egress]}}
---
`

const (
	leavingAt = "deletionTimestamp: '2026-11-24T00:00:30Z'"

	terminatingPod = "{apiVersion: v1, kind: Pod, metadata: {name: web-1-a, namespace: ledger, " + leavingAt + ", labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: u, controller: true}]}}"
	twicePod       = "{apiVersion: v1, kind: Pod, metadata: {name: twice, namespace: ledger, " + leavingAt + ", labels: {app: web, twice: 'yes'}}}"
	livingPod      = "{apiVersion: v1, kind: Pod, metadata: {name: stays, namespace: ledger, labels: {app: web}}}"
	webPod         = "{apiVersion: v1, kind: Pod, metadata: {name: web-1-a, namespace: ledger, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: u, controller: true}]}}"
	webReplicas    = "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-1, namespace: ledger, uid: u, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]}, spec: {template: {metadata: {labels: {app: web}}}}}"
	webDeployment  = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: ledger, uid: d%s}, spec: {template: {metadata: {labels: {app: web}}}}}"

	netpolText = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: ledger%s}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress]}}"
)

func deploymentText(meta string) string { return strings.Replace(webDeployment, "%s", meta, 1) }

func TestADeletionThatOnlyComesTooEarlyHasToWait(t *testing.T) {
	netpol := func(meta string) string { return strings.Replace(netpolText, "%s", meta, 1) }
	deletion := func(t *testing.T) admission.Request {
		return request(t, "DELETE", "NetworkPolicy", "ledger", "web", "", netpol(""))
	}
	again := func(t *testing.T) admission.Request {
		return request(t, "DELETE", "NetworkPolicy", "ledger", "web", "", netpol(", "+leavingAt+", finalizers: [a/b]"))
	}
	lastFinalizer := func(t *testing.T) admission.Request {
		return request(t, "UPDATE", "NetworkPolicy", "ledger", "web", netpol(", "+leavingAt), netpol(", "+leavingAt+", finalizers: [a/b]"))
	}
	collected := func(t *testing.T) admission.Request {
		r := deletion(t)
		r.UserInfo.Username = "system:serviceaccount:kube-system:generic-garbage-collector"
		return r
	}
	const early = "NetworkPolicy ledger/web has to wait: it is still needed by what is being deleted ("
	tests := map[string]struct {
		reason  string
		objects []string
		request func(*testing.T) admission.Request
		code    int32
		retry   int32
		says    string
		not     string
	}{
		"HelmUninstall": {
			reason:  "client-go waits and comes back: a quarter of the 30 s of grace",
			objects: []string{terminatingPod}, request: deletion,
			code: 429, retry: 8, says: early + "ledger/Pod/web-1-a), and can go when that is gone; try again then\n[default-deny] ",
		},
		"AMomentBeforeThePodsAreDeleted": {
			reason:  "the Deployment is gone, the garbage collector not yet there",
			objects: []string{webReplicas, webPod}, request: deletion,
			code: 429, retry: 5, says: early + "ledger/Pod/web-1-a, ledger/ReplicaSet/web-1)",
		},
		"Foreground": {
			objects: []string{deploymentText(", " + leavingAt + ", finalizers: [foregroundDeletion]"), webReplicas, webPod}, request: deletion,
			code: 429, retry: 5, says: early + "ledger/Pod/web-1-a, ledger/Deployment/web, ledger/ReplicaSet/web-1)",
		},
		"Orphaned": {
			reason:  "the pods stay",
			objects: []string{deploymentText(", " + leavingAt + ", finalizers: [orphan]"), webReplicas, webPod}, request: deletion,
			code: 403, says: "to fix: keep NetworkPolicy ledger/web, or",
		},
		"APodStays": {
			reason:  "waiting would be in vain",
			objects: []string{terminatingPod, livingPod}, request: deletion,
			code: 403, says: "to fix: keep NetworkPolicy ledger/web, or",
		},
		"AWorkloadStays": {
			objects: []string{deploymentText(""), webReplicas, terminatingPod}, request: deletion,
			code: 403, says: "to fix: keep",
		},
		"SomethingElseIsolatesOneOfThem": {
			reason:  "what need not go is not waited for",
			objects: []string{terminatingPod, twicePod}, request: deletion,
			code: 429, retry: 8, says: early + "ledger/Pod/web-1-a)", not: "Pod/twice",
		},
		"NothingNeedsIt": {objects: []string{twicePod}, request: deletion},
		"AController": {
			reason:  "it tries again after a conflict, and is not kept from its other work",
			objects: []string{terminatingPod}, request: collected,
			code: 409, says: early,
		},
		"TheLastFinalizer": {
			objects: []string{terminatingPod}, request: lastFinalizer,
			code: 409, says: early + "ledger/Pod/web-1-a)", not: "to fix",
		},
		"TheLastFinalizerWhileAPodStays": {
			reason:  "nobody can keep what is deleted",
			objects: []string{livingPod}, request: lastFinalizer,
			code: 409, says: "has to wait: it is being deleted, and can go when nothing needs it any more or another NetworkPolicy does the same\n[default-deny] ledger/Pod/stays ", not: "keep",
		},
		"DeletedAgain": {
			objects: []string{livingPod}, request: again,
			code: 409, says: "has to wait: it is being deleted", not: "keep",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j, model, _ := newShop(t, JudgeOptions{Now: func() time.Time { return time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC) }})
			set, err := manifest.Load([]string{"-"}, strings.NewReader(ledgerText+strings.Join(test.objects, "\n---\n")))
			if err != nil {
				t.Fatal(err)
			}
			if model.now, err = set.Snapshot(); err != nil {
				t.Fatal(err)
			}
			got := j.Handle(t.Context(), test.request(t))
			expect(t, got, test.code, test.says)
			var retry int32
			if got.Result.Details != nil {
				retry = got.Result.Details.RetryAfterSeconds
			}
			if retry != test.retry {
				t.Errorf("%s: retry after %d s, want %d", test.reason, retry, test.retry)
			}
			if test.not != "" && strings.Contains(got.Result.Message, test.not) {
				t.Errorf("%s: says %q:\n%s", test.reason, test.not, got.Result.Message)
			}
		})
	}
}

func TestWhoeverEmptiesATerminatingNamespaceWaitsForItsPods(t *testing.T) {
	deleted := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	now := deleted.Add(time.Minute)
	const ending = "{apiVersion: v1, kind: Namespace, metadata: {name: ledger, deletionTimestamp: '2026-11-24T00:00:00Z'}}\n---\n"
	const old = ", creationTimestamp: '2026-11-20T00:00:00Z'"
	netpol := func(meta string) string { return strings.Replace(netpolText, "%s", meta, 1) }
	prune := func(t *testing.T, meta string) admission.Request {
		return request(t, "DELETE", "NetworkPolicy", "ledger", "web", "", netpol(meta))
	}
	finalizer := func(t *testing.T) admission.Request {
		return request(t, "UPDATE", "NetworkPolicy", "ledger", "web", netpol(old+", "+leavingAt), netpol(old+", "+leavingAt+", finalizers: [a/b]"))
	}
	tests := map[string]struct {
		reason  string
		objects string
		request func(*testing.T) admission.Request
		after   time.Duration
		code    int32
		says    string
	}{
		"APodIsLeft": {
			objects: livingPod, request: func(t *testing.T) admission.Request { return prune(t, old) },
			code: 429, says: "has to wait: namespace ledger is being deleted, and this NetworkPolicy goes after the last of its pods; pods left: 1 (ledger/Pod/stays)",
		},
		"OnlyWorkloadsAreLeft": {
			reason:  "they cannot make pods any more",
			objects: deploymentText(""), request: func(t *testing.T) admission.Request { return prune(t, old) },
		},
		"AWorkloadIsPruned": {
			objects: livingPod, request: func(t *testing.T) admission.Request {
				return request(t, "DELETE", "Deployment", "ledger", "web", "", deploymentText(""))
			},
		},
		"TheLastFinalizerWhileAPodIsLeft": {objects: livingPod, request: finalizer, code: 409, says: "pods left: 1"},
		"TheLastFinalizer":                {objects: deploymentText(""), request: finalizer},
		"AfterTenMinutes":                 {reason: "the end comes first", objects: livingPod, request: finalizer, after: terminationPatience},
		"ANetpolOfTheNextNamespace": {
			reason:  "the model has not seen yet that the namespace is another of that name",
			objects: livingPod, request: func(t *testing.T) admission.Request { return prune(t, ", creationTimestamp: '2026-11-24T00:00:10Z'") },
			after: terminationPatience, code: 403, says: "[default-deny]",
		},
		"AnUpdateOfANetpol": {
			reason:  "is judged like any other",
			objects: livingPod, request: func(t *testing.T) admission.Request {
				return request(t, "UPDATE", "NetworkPolicy", "ledger", "web", strings.Replace(netpol(old), "app: web", "app: other", 1), netpol(old))
			},
			code: 403, says: "[default-deny]",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j, model, _ := newShop(t, JudgeOptions{Now: func() time.Time { return now.Add(test.after) }})
			set, err := manifest.Load([]string{"-"}, strings.NewReader(ending+netpol("")+"\n---\n"+test.objects))
			if err != nil {
				t.Fatal(err)
			}
			if model.now, err = set.Snapshot(); err != nil {
				t.Fatal(err)
			}
			expect(t, j.Handle(t.Context(), test.request(t)), test.code, test.says)
		})
	}
}

func TestTheTriesOfAClientOutlastTheGraceOfThePods(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, grace := range []time.Duration{-time.Hour, 0, time.Second, 30 * time.Second, time.Minute, 2 * time.Minute} {
		at := now
		pods := leavingPods(now.Add(grace))
		for range 10 {
			seconds := patience(pods, at)
			if seconds < minRetryAfter || seconds > maxRetryAfter {
				t.Fatalf("grace %s: %d s", grace, seconds)
			}
			at = at.Add(time.Duration(seconds) * time.Second)
		}
		if at.Before(now.Add(grace)) {
			t.Errorf("ten tries end %s before a grace of %s does", now.Add(grace).Sub(at), grace)
		}
	}
}

func leavingPods(at time.Time) []cluster.Object {
	return []cluster.Object{&cluster.Pod{Namespace: "shop", Name: "a", DeletedAt: at}, &cluster.Template{Namespace: "shop", Kind: "Deployment", Name: "web", DeletedAt: at.Add(time.Hour)}}
}
