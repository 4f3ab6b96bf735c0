package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Everything that a workload goes through passes in a namespace that was full of
// holes before Podcullis came, with two replicas that both have to agree, and that are
// restarted in between. The same in small, step by step: test/scenarios/lifecycles.
func TestLifecyclesPassInANamespaceFullOfOldHoles(t *testing.T) {
	c := start(t)
	l := c.legacy(t)
	r := c.replicas(t, gateOptions{args: []string{"--config", lifecycleGuardrails(t)}})

	for _, part := range []struct {
		name string
		do   func(*testing.T, *legacy)
	}{
		{"StrangerIsRefused", strangerIsRefused},
		{"Drain", drain},
		{"DeletedByForce", deletedByForce},
		{"ScaleUp", scaleUp},
		{"ScaleFromZero", scaleFromZero},
		{"ImageUpdate", imageUpdate},
		{"LabelBumpAndRollback", labelBump(r)},
		{"RolloutRestart", rolloutRestart},
		{"StatefulSetPartition", partition},
		{"DaemonSetUpdate", daemonSetUpdate},
		{"ReplicationControllerDrained", replicationControllerDrained},
		{"JobRetry", jobRetry},
		{"IndexedJob", indexedJob},
		{"JobFromCronJob", jobFromCronJob},
		{"CronJobRun", cronJobRun},
		{"Failover", failover},
		{"Quarantine", quarantine},
		{"KubeletStatus", kubeletStatus},
		{"NodeLoss", nodeLoss},
		{"Restart", func(t *testing.T, _ *legacy) { r.restart(t, 1) }},
		{"OrphanedAndAdopted", orphanedAndAdopted},
		{"StatefulSetMadeAgain", statefulSetMadeAgain},
		{"StrangerIsStillRefused", strangerIsRefused},
		{"GarbageCollection", garbageCollection},
		{"NamespaceDeletion", namespaceDeletion},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.do(t, l) }) {
			t.Fatal("the rest depends on it")
		}
	}
	// All of it was allowed for good reasons, so nothing got in.
	for _, g := range r.gates {
		if lines := g.gotIn(t); len(lines) > 0 {
			t.Errorf("told to have got in: %+v", lines)
		}
	}
}

// strangerIsRefused is the control: who has no history here has no path.
func strangerIsRefused(t *testing.T, l *legacy) {
	for _, labels := range []string{"{app: stranger, tier: frontend}", "{app: stranger, tier: db}"} {
		l.c.denied(t, "", strings.Replace(pod("stranger", labels, "legacy"), "example.test/c", "example.test/web:1", 1), "create", "-f", "-")
	}
	l.c.denied(t, "", deploymentIn("legacy", "stranger", "{app: stranger, tier: frontend}"), "create", "-f", "-")
}

func drain(t *testing.T, l *legacy) {
	for selector, n := range map[string]int{"app=web": 2, "app=db": 2} {
		l.replaced(t, selector, n, func(pod string) {
			eviction := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":"legacy"}}`, pod)
			l.kubectl(t, eviction, "create", "--raw", "/api/v1/namespaces/legacy/pods/"+pod+"/eviction", "-f", "-")
		})
	}
}

func deletedByForce(t *testing.T, l *legacy) {
	l.replaced(t, "app=web", 2, func(pod string) { l.kubectl(t, "", "delete", "pod", pod, "--force", "--grace-period=0") })
}

func scaleUp(t *testing.T, l *legacy) {
	l.kubectl(t, "", "scale", "deployment/web", "statefulset/db", "--replicas=3")
	l.pods(t, "app=web", 3)
	l.pods(t, "app=db", 3)
	l.kubectl(t, "", "scale", "deployment/web", "statefulset/db", "--replicas=2")
	l.pods(t, "app=web", 2)
	l.pods(t, "app=db", 2)
}

func scaleFromZero(t *testing.T, l *legacy) {
	l.kubectl(t, "", "scale", "deployment/idle", "--replicas=1")
	l.pods(t, "app=idle", 1)
}

func imageUpdate(t *testing.T, l *legacy) {
	l.kubectl(t, "", "set", "image", "deployment/web", "main=example.test/web:2")
	l.only(t, "app=web", "{.items[*].spec.containers[0].image}", "example.test/web:2", 2)
}

// labelBump is a rollout and a rollback, and a replica is restarted between them.
func labelBump(r *replicas) func(*testing.T, *legacy) {
	return func(t *testing.T, l *legacy) {
		l.kubectl(t, "", "patch", "deployment", "web", "--type=merge", "-p", `{"spec":{"template":{"metadata":{"labels":{"version":"v2"}}}}}`)
		l.only(t, "app=web", "{.items[*].metadata.labels.version}", "v2", 2)
		r.restart(t, 0)
		l.replaced(t, "app=web", 2, func(pod string) { l.kubectl(t, "", "delete", "pod", pod) })
		l.kubectl(t, "", "rollout", "undo", "deployment/web")
		l.pods(t, "app=web,version", 0)
		l.pods(t, "app=web", 2)
	}
}

func rolloutRestart(t *testing.T, l *legacy) {
	before := l.pods(t, "app=web", 2)
	l.kubectl(t, "", "rollout", "restart", "deployment/web")
	l.others(t, "app=web", before, 2)
}

// partition updates db-1 and leaves db-0, which comes back with its old revision.
func partition(t *testing.T, l *legacy) {
	l.running(t, "app=db", 2)
	l.kubectl(t, "", "patch", "statefulset", "db", "--type=merge", "-p", `{"spec":{"updateStrategy":{"rollingUpdate":{"partition":1}},"template":{"metadata":{"labels":{"version":"v2"}}}}}`)
	l.only(t, "app=db,apps.kubernetes.io/pod-index=1", "{.items[*].metadata.labels.version}", "v2", 1)
	l.replaced(t, "app=db,apps.kubernetes.io/pod-index=0", 1, func(pod string) { l.kubectl(t, "", "delete", "pod", pod) })
	if version := l.kubectl(t, "", "get", "pod", "db-0", "-o", "jsonpath={.metadata.labels.version}"); version != "" {
		t.Errorf("db-0 came back as %s, so that nothing was tried", version)
	}
	l.running(t, "app=db", 2)
	l.kubectl(t, "", "patch", "statefulset", "db", "--type=merge", "-p", `{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}`)
	l.only(t, "app=db", "{.items[*].metadata.labels.version}", "v2", 2)
}

func daemonSetUpdate(t *testing.T, l *legacy) {
	before := l.pods(t, "app=agent", 1)
	l.kubectl(t, "", "patch", "daemonset", "agent", "--type=merge", "-p", `{"spec":{"template":{"metadata":{"labels":{"version":"v2"}}}}}`)
	l.others(t, "app=agent", before, 1)
	l.replaced(t, "app=agent", 1, func(pod string) { l.kubectl(t, "", "delete", "pod", pod) })
}

func replicationControllerDrained(t *testing.T, l *legacy) {
	l.replaced(t, "app=old", 1, func(pod string) { l.kubectl(t, "", "delete", "pod", pod) })
}

func jobRetry(t *testing.T, l *legacy) {
	l.replaced(t, "job-name=migrate", 1, func(pod string) { l.phase(t, pod, "Failed") })
}

func indexedJob(t *testing.T, l *legacy) {
	for _, index := range []string{"0", "1", "2"} {
		pod := l.pods(t, "job-name=shards,batch.kubernetes.io/job-completion-index="+index, 1)[0]
		l.phase(t, pod, "Succeeded")
	}
}

func jobFromCronJob(t *testing.T, l *legacy) {
	l.kubectl(t, "", "create", "job", "by-hand", "--from=cronjob/nightly")
	l.pods(t, "job-name=by-hand", 1)
}

func cronJobRun(t *testing.T, l *legacy) {
	l.kubectl(t, "", "patch", "cronjob", "nightly", "--type=merge", "-p", `{"spec":{"suspend":false}}`)
	await(t, "a pod of the CronJob's own Job", func(ctx context.Context) error {
		out, _, err := l.c.Kubectl(ctx, "", "-n", "legacy", "get", "pods", "-l", "app=batch", "-o", "name")
		if err == nil && !strings.Contains(out, "pod/nightly-") {
			err = errors.New(out)
		}
		return err
	})
	l.kubectl(t, "", "patch", "cronjob", "nightly", "--type=merge", "-p", `{"spec":{"suspend":true}}`)
}

// failover moves a role label, which alone opens the path, from one pod to the other
// and back, in either order.
func failover(t *testing.T, l *legacy) {
	for _, step := range []string{"pg-0 role=replica", "pg-1 role=primary", "pg-0 role=primary", "pg-1 role=replica"} {
		pod, label, _ := strings.Cut(step, " ")
		l.kubectl(t, "", "label", "pod", pod, label, "--overwrite")
	}
	l.c.denied(t, "", "", "-n", "legacy", "label", "pod", l.pods(t, "app=old", 1)[0], "tier=db", "role=primary", "--overwrite")
}

func quarantine(t *testing.T, l *legacy) {
	l.replaced(t, "app=web", 2, func(pod string) { l.kubectl(t, "", "label", "pod", pod, "app=quarantine", "--overwrite") })
	await(t, "the pod to be released", func(ctx context.Context) error {
		out, _, err := l.c.Kubectl(ctx, "", "-n", "legacy", "get", "pods", "-l", "app=quarantine", "-o", "jsonpath={.items[*].metadata.ownerReferences}")
		if err == nil && out != "" {
			err = errors.New(out)
		}
		return err
	})
	l.kubectl(t, "", "delete", "pod", "-l", "app=quarantine")
}

// kubeletStatus gives a pod an address that an old ipBlock holds.
func kubeletStatus(t *testing.T, l *legacy) {
	pod := l.pods(t, "job-name=by-hand", 1)[0]
	l.kubectl(t, "", "patch", "pod", pod, "--subresource=status", "--type=merge", "-p",
		`{"status":{"phase":"Running","podIP":"10.0.7.7","podIPs":[{"ip":"10.0.7.7"}]}}`)
}

// nodeLoss leaves a pod in Terminating, as the kubelet that would end it is gone.
func nodeLoss(t *testing.T, l *legacy) {
	lost := l.pods(t, "app=web", 2)[0]
	hold := func(finalizers string) {
		l.c.kubectlAnyway("-n", "legacy", "patch", "pod", lost, "--type=merge", "-p", `{"metadata":{"finalizers":`+finalizers+`}}`)
	}
	hold(`["example.test/hold"]`)
	t.Cleanup(func() { hold("null") })
	l.kubectl(t, "", "delete", "pod", lost, "--wait=false")
	l.pods(t, "app=web", 3) // one is made beside it
	hold("null")
	l.pods(t, "app=web", 2)
}

func orphanedAndAdopted(t *testing.T, l *legacy) {
	l.kubectl(t, "", "delete", "deployment", "web", "--cascade=orphan")
	l.replaced(t, "app=web", 2, func(pod string) { l.kubectl(t, "", "delete", "pod", pod) }) // by its ReplicaSet
	l.kubectl(t, l.object("Deployment", "web"), "create", "-f", "-")
	await(t, "the ReplicaSets to be adopted", func(ctx context.Context) error {
		out, _, err := l.c.Kubectl(ctx, "", "-n", "legacy", "get", "replicasets", "-l", "app=web", "-o", `jsonpath={range .items[*]}{.metadata.ownerReferences[0].name}{"\n"}{end}`)
		if n := strings.Count(out, "web\n"); err == nil && (n == 0 || out != strings.Repeat("web\n", n)) {
			err = fmt.Errorf("owners: %q", out)
		}
		return err
	})
	l.replaced(t, "app=web", 2, func(pod string) { l.kubectl(t, "", "delete", "pod", pod) })
}

func statefulSetMadeAgain(t *testing.T, l *legacy) {
	l.kubectl(t, "", "delete", "statefulset", "db", "--cascade=orphan")
	l.pods(t, "app=db", 2)
	l.kubectl(t, l.object("StatefulSet", "db"), "create", "-f", "-")
	await(t, "the pods to be adopted", func(ctx context.Context) error {
		out, _, err := l.c.Kubectl(ctx, "", "-n", "legacy", "get", "pods", "-l", "app=db", "-o", "jsonpath={.items[*].metadata.ownerReferences[0].name}")
		if err == nil && out != "db db" {
			err = fmt.Errorf("owners: %q", out)
		}
		return err
	})
	l.replaced(t, "app=db", 2, func(pod string) { l.kubectl(t, "", "delete", "pod", pod) })
}

func garbageCollection(t *testing.T, l *legacy) {
	l.kubectl(t, "", "delete", "deployment", "idle")
	l.pods(t, "app=idle", 0)
	l.kubectl(t, "", "delete", "job", "by-hand", "--cascade=foreground")
	l.pods(t, "job-name=by-hand", 0)
}

func namespaceDeletion(t *testing.T, l *legacy) {
	l.kubectl(t, "", "delete", "namespace", "legacy", "--wait=false")
	await(t, "the end of the namespace", func(ctx context.Context) error {
		_, err := l.c.client.CoreV1().Namespaces().Get(ctx, "legacy", metav1.GetOptions{})
		if err == nil {
			return errors.New("it is still there")
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}
