package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// A namespace with an old hole: the pods of a custom resource reach what frontends must
// not reach. Its operator makes them again; nobody else gets in by naming its owner.
func TestOnlyTheOperatorOfACustomResourceMakesItsPods(t *testing.T) {
	c := start(t)
	c.namespace(t, "data")
	c.pgCluster(t)
	uid := c.kubectl(t, "", "-n", "data", "get", "pgcluster", "pg", "-o", "jsonpath={.metadata.uid}")
	owner := func(version, kind, name, uid string) string {
		return fmt.Sprintf("{apiVersion: %s, kind: %s, name: %s, uid: %s, controller: true}", version, kind, name, uid)
	}
	named := func(name, labels, owner string) string {
		return strings.Replace(pod(name, labels, "data"), "name: "+name, "name: "+name+", ownerReferences: ["+owner+"]", 1)
	}
	const hole, plain = "{tier: frontend, access: db}", "{app: plain}"
	ofPg := owner("example.test/v1", "PgCluster", "pg", uid)
	c.kubectl(t, oldHoleInData, "apply", "-f", "-")
	c.kubectl(t, named("pg-0", hole, ofPg), "apply", "-f", "-")

	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, []byte(frontendsInData))
	g := c.gate(t, gateOptions{args: []string{"--config", config}})
	operator := []string{"--as=system:serviceaccount:data:operator", "--as-group=system:serviceaccounts", "--as-group=system:authenticated", "-n", "data"}
	editor := []string{"--as=eddy", "--as-group=system:authenticated", "-n", "data"}
	await(t, "the roles to be known to the authorizer", func(ctx context.Context) error {
		if _, _, err := c.Kubectl(ctx, "", append(editor, "auth", "can-i", "create", "pods")...); err != nil {
			return err
		}
		_, _, err := c.Kubectl(ctx, "", append(operator, "auth", "can-i", "update", "pgclusters.example.test/pg", "--subresource=status")...)
		return err
	})
	refused := func(what, said, stdin string, user []string, args ...string) {
		t.Helper()
		_, stderr, err := c.Kubectl(t.Context(), stdin, append(user[:len(user):len(user)], args...)...)
		if err == nil || !strings.Contains(stderr, webhookName) || !strings.Contains(stderr, said) {
			t.Errorf("%s: %v\n%s\nwant a refusal with %q", what, err, stderr, said)
		}
	}
	allowed := func(what, stdin string, user []string, args ...string) {
		t.Helper()
		if _, stderr, err := c.Kubectl(t.Context(), stdin, append(user[:len(user):len(user)], args...)...); err != nil {
			t.Errorf("%s: %v\n%s", what, err, stderr)
		}
	}
	const notCounted = "that it belongs to PgCluster data/pg was not counted: user eddy may not update pgclusters.example.test/status or pgclusters.example.test/finalizers there"
	const violation = "[frontend-never-reaches-db]"

	refused("an editor's pod in the cluster's name", notCounted, named("evil", hole, ofPg), editor, "create", "-f", "-")
	allowed("the operator's next pod", named("pg-1", hole, ofPg), operator, "create", "-f", "-")
	refused("the operator's pod, of another uid", violation, named("pg-2", hole, owner("example.test/v1", "PgCluster", "pg", "00000000-0000-0000-0000-000000000000")), operator, "create", "-f", "-")
	refused("the operator's pod, of another group", violation, named("pg-2", hole, owner("evil.test/v1", "PgCluster", "pg", uid)), operator, "create", "-f", "-")
	refused("the operator's pod of nobody", violation, pod("pg-2", hole, "data"), operator, "create", "-f", "-")

	allowed("an editor's harmless pod", pod("slow", plain, "data"), editor, "create", "-f", "-")
	allowed("first the claim", "", editor, "patch", "pod", "slow", "--type=merge", "-p",
		fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"example.test/v1","kind":"PgCluster","name":"pg","uid":%q,"controller":true}]}}`, uid))
	relabel := []string{"label", "pod", "slow", "tier=frontend", "access=db"}
	refused("then the labels", notCounted, "", editor, relabel...)
	allowed("the labels, by the operator", "", operator, relabel...)

	refused("a ReplicaSet that is made up", "it names ReplicaSet data/web-1 (uid 11111111-1111-1111-1111-111111111111), which is not known",
		named("ghost", hole, owner("apps/v1", "ReplicaSet", "web-1", "11111111-1111-1111-1111-111111111111")), editor, "create", "-f", "-") // kubectl tries ten times
	left := c.kubectl(t, "", "-n", "data", "get", "pods", "-o", "name")
	for _, name := range []string{"evil", "pg-2", "ghost"} {
		if strings.Contains(left, "pod/"+name+"\n") {
			t.Errorf("pod %s was let in", name)
		}
	}
	if log := g.log(t); !strings.Contains(log, `"claim":"`+notCounted) {
		t.Error("the webhook's log does not say why the claim was not counted")
	}
}

// pgCluster has a custom resource served, with one object and the rights of its operator
// and of an editor, until the test is over.
func (c cluster) pgCluster(t *testing.T) {
	t.Helper()
	c.kubectl(t, pgClusters, "apply", "-f", "-")
	t.Cleanup(func() {
		c.kubectlAnyway("delete", "crd", "pgclusters.example.test")
		c.kubectlAnyway("delete", "clusterrole,clusterrolebinding", "pg-operator")
		c.kubectlAnyway("-n", "data", "delete", "rolebinding", "eddy")
	})
	await(t, "the custom resource to be served", func(ctx context.Context) error {
		_, _, err := c.Kubectl(ctx, "{apiVersion: example.test/v1, kind: PgCluster, metadata: {name: pg, namespace: data}}", "apply", "-f", "-")
		return err
	})
}

const pgClusters = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: pgclusters.example.test}
spec:
  group: example.test
  scope: Namespaced
  names: {kind: PgCluster, listKind: PgClusterList, plural: pgclusters, singular: pgcluster}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: pg-operator}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get, list, create, update, patch, delete]}
- {apiGroups: [example.test], resources: [pgclusters/status], verbs: [update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: pg-operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pg-operator}
subjects: [{kind: ServiceAccount, name: operator, namespace: data}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: eddy, namespace: data}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: eddy}]
`

const oldHoleInData = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: data}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {access: db}}}]}]}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: data, labels: {app: db}}, spec: {containers: [{name: c, image: example.test/c}]}}
`

const frontendsInData = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
exclude: {namespaces: [kube-system, kube-node-lease, kube-public]}
guardrails:
- name: default-deny
  guardrail: default-deny
  action: deny
  match: {namespaces: [default]}
- name: frontend-never-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters:
    from: {podSelector: {matchLabels: {tier: frontend}}}
    to: {podSelector: {matchLabels: {app: db}}}
`
