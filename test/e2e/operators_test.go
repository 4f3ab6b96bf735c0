package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// operator is whose pods belong to a custom resource, in a namespace with an old hole.
type operator struct {
	c          cluster
	uid, front string // of its two resources
}

// The pods of a custom resource are drained, fail over and are rolled by their
// operator, with two replicas that remember who was there; nobody else gets in by it.
func TestOperatorsLifecyclesPass(t *testing.T) {
	c := start(t)
	c.namespace(t, "data")
	c.pgCluster(t)
	c.kubectl(t, "{apiVersion: example.test/v1, kind: PgCluster, metadata: {name: front, namespace: data}}", "apply", "-f", "-")
	uid := func(name string) string {
		return c.kubectl(t, "", "-n", "data", "get", "pgcluster", name, "-o", "jsonpath={.metadata.uid}")
	}
	o := &operator{c, uid("pg"), uid("front")}
	c.kubectl(t, oldHoleInData, "apply", "-f", "-")
	c.kubectl(t, operatorsReplicaSets, "apply", "-f", "-")
	c.kubectl(t, o.pod("pg-0", openLabels), "apply", "-f", "-")
	c.kubectl(t, o.pod("shut-0", "{app: shut, tier: frontend}"), "apply", "-f", "-")
	c.kubectl(t, o.replicaSet("pg-b1"), "apply", "-f", "-")
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, []byte(frontendsInData))
	r := c.replicas(t, gateOptions{args: []string{"--config", config}})
	await(t, "the roles to be known to the authorizer", func(ctx context.Context) error {
		if _, _, err := c.Kubectl(ctx, "", "--as=eddy", "-n", "data", "auth", "can-i", "create", "pods"); err != nil {
			return err
		}
		if _, _, err := c.Kubectl(ctx, "", append(asOperator(), "auth", "can-i", "create", "replicasets.apps")...); err != nil {
			return err
		}
		_, _, err := c.Kubectl(ctx, "", append(asOperator(), "auth", "can-i", "update", "pgclusters.example.test/pg", "--subresource=status")...)
		return err
	})
	for _, part := range []struct {
		name string
		do   func(*testing.T, *operator)
	}{
		{"OnlyPodDrained", onlyPodDrained},
		{"Failover", failoverByOperator},
		{"NextReplicaSet", nextReplicaSet},
		{"Restart", func(t *testing.T, _ *operator) { r.restart(t, 0) }},
		{"OnlyPodDrainedAgain", onlyPodDrained},
		{"NetpolOpenedMeanwhile", netpolOpenedMeanwhile},
	} {
		t.Run(part.name, func(t *testing.T) { part.do(t, o) })
	}
}

const operatorsReplicaSets = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: operator, namespace: data}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: operator, namespace: data}]
`

const openLabels = "{app: pg, tier: frontend, access: db}"

func (o *operator) owner() string { return ownedBy("example.test/v1", "PgCluster", "pg", o.uid) }

func (o *operator) pod(name, labels string) string {
	return strings.Replace(pod(name, labels, "data"), "name: "+name, "name: "+name+", ownerReferences: ["+o.owner()+"]", 1)
}

func (o *operator) replicaSet(name string) string {
	labels := "{app: front, tier: frontend, access: db, rollout: " + name + "}"
	return fmt.Sprintf("{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: %s, namespace: data, ownerReferences: [%s]}, spec: {replicas: 1, selector: {matchLabels: {rollout: %s}}, template: %s}}",
		name, ownedBy("example.test/v1", "PgCluster", "front", o.front), name, template(labels, ""))
}

func asOperator() []string {
	return []string{"--as=system:serviceaccount:data:operator", "--as-group=system:serviceaccounts", "--as-group=system:authenticated", "-n", "data"}
}

// may is what the operator does, and passes.
func (o *operator) may(t *testing.T, stdin string, args ...string) {
	t.Helper()
	o.c.kubectl(t, stdin, append(asOperator(), args...)...)
}

// notBy is the same by somebody who may edit the namespace, and is refused.
func (o *operator) notBy(t *testing.T, user, stdin string, args ...string) {
	t.Helper()
	o.c.denied(t, user, stdin, append([]string{"-n", "data"}, args...)...)
}

func onlyPodDrained(t *testing.T, o *operator) {
	o.c.kubectl(t, "", "-n", "data", "delete", "pod", "pg-0")
	o.notBy(t, "eddy", o.pod("pg-0", openLabels), "create", "-f", "-")
	o.may(t, o.pod("pg-0", openLabels), "create", "-f", "-")
}

// failoverByOperator moves the label that opens the path, which nobody has in between.
func failoverByOperator(t *testing.T, o *operator) {
	o.may(t, o.pod("pg-1", "{app: pg, tier: frontend, access: none}"), "create", "-f", "-")
	for _, step := range [][2]string{{"pg-0", "pg-1"}, {"pg-1", "pg-0"}} {
		o.may(t, "", "label", "pod", step[0], "access=none", "--overwrite")
		o.notBy(t, "eddy", "", "label", "pod", step[1], "access=db", "--overwrite")
		o.may(t, "", "label", "pod", step[1], "access=db", "--overwrite")
	}
	o.may(t, "", "delete", "pod", "pg-1")
}

// nextReplicaSet is what Argo Rollouts does: the ReplicaSet is the operator's, and its
// pods are the ReplicaSet controller's.
func nextReplicaSet(t *testing.T, o *operator) {
	o.c.awaitPods(t, "data", "rollout=pg-b1", 1)
	o.notBy(t, "eddy", o.replicaSet("pg-b2"), "create", "-f", "-")
	o.may(t, o.replicaSet("pg-b2"), "create", "-f", "-")
	pods := o.c.awaitPods(t, "data", "rollout=pg-b2", 1)
	o.c.kubectl(t, "", "-n", "data", "delete", "replicaset", "pg-b1")
	o.c.awaitPods(t, "data", "rollout=pg-b1", 0)
	o.c.kubectl(t, "", "-n", "data", "delete", pods[0])
	o.c.awaitPods(t, "data", "rollout=pg-b2", 1)
}

// netpolOpenedMeanwhile is no way in: a shut pod goes, a netpol is opened for its labels
// while nobody has them, and even its operator's account may not make it again.
func netpolOpenedMeanwhile(t *testing.T, o *operator) {
	o.c.kubectl(t, "", "-n", "data", "delete", "pod", "shut-0")
	open := strings.NewReplacer("namespace: shop", "namespace: data").Replace(
		netpol("open", "podSelector: {matchLabels: {app: db}}", "ingress: [{from: [{podSelector: {matchLabels: {app: shut}}}]}]"))
	o.c.kubectl(t, open, "create", "-f", "-")
	o.notBy(t, "system:serviceaccount:data:operator", o.pod("shut-0", "{app: shut, tier: frontend}"), "create", "-f", "-")
	o.c.kubectl(t, "", "-n", "data", "delete", "networkpolicy", "open")
	o.may(t, o.pod("shut-0", "{app: shut, tier: frontend}"), "create", "-f", "-")
}
