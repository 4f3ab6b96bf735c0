package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

const mallory = "mallory"

// intruder is somebody who may edit a namespace, and wants a path to its db.
type intruder struct {
	c         cluster
	namespace string
}

// What must not pass beside what must: the same two replicas, in a namespace where the
// db is shut to frontends, and somebody who may edit it.
func TestIntrudersAreRefusedBesideLifecycles(t *testing.T) {
	c := start(t)
	i := c.guarded(t)
	r := c.replicas(t, gateOptions{args: []string{"--config", lifecycleGuardrails(t)}})
	for _, part := range []struct {
		name string
		do   func(*testing.T, *intruder)
	}{
		{"BarePods", barePods},
		{"LabelsOfAPod", labelsOfAPod},
		{"Templates", templates},
		{"ForgedOwners", forgedOwners},
		{"Restart", func(t *testing.T, _ *intruder) { r.restart(t, 0) }},
		{"IdleReplicaSets", idleReplicaSets},
		{"InTheDBsLabels", inTheDBsLabels},
		{"ClaimsInTwoSteps", claimsInTwoSteps},
		{"OwnerJustOrphaned", ownerJustOrphaned},
		{"Netpols", netpols},
	} {
		t.Run(part.name, func(t *testing.T) { part.do(t, i) })
	}
	i.nobodyGotIn(t)
}

// guarded makes the namespace, and somebody who may edit it.
func (c cluster) guarded(t *testing.T) *intruder {
	t.Helper()
	i := &intruder{c, "guarded"}
	c.namespace(t, i.namespace)
	c.kubectl(t, "", "apply", "-f", repository(t, "test", "e2e", "testdata", "lifecycles", "guarded.yaml"))
	c.kubectl(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: mallory, namespace: guarded}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: netpols, namespace: guarded}
rules: [{apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: mallory-netpols, namespace: guarded}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: netpols}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory}]
`, "apply", "-f", "-")
	c.awaitPods(t, i.namespace, "app in (db,front)", 2)
	await(t, "the role to be known to the authorizer", func(ctx context.Context) error {
		_, _, err := c.Kubectl(ctx, "", "--as", mallory, "-n", i.namespace, "auth", "can-i", "delete", "networkpolicies")
		return err
	})
	return i
}

// denied is a command of the intruder's that a guardrail must refuse.
func (i *intruder) denied(t *testing.T, stdin string, args ...string) {
	t.Helper()
	i.c.denied(t, mallory, stdin, append([]string{"-n", i.namespace}, args...)...)
}

// may is a command that opens nothing, and passes.
func (i *intruder) may(t *testing.T, stdin string, args ...string) {
	t.Helper()
	i.c.kubectl(t, stdin, append([]string{"--as", mallory, "-n", i.namespace}, args...)...)
}

// create is that of objects, once each: kubectl would try ten times where it is told
// that it may try again.
func (i *intruder) create(t *testing.T, objects ...string) {
	t.Helper()
	config := i.c.REST()
	config.Impersonate = rest.ImpersonationConfig{UserName: mallory, Groups: []string{"system:authenticated"}}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		body, err := yaml.YAMLToJSON([]byte(o))
		if err != nil {
			t.Fatalf("%v\n%s", err, o)
		}
		var meta metav1.TypeMeta
		if err := json.Unmarshal(body, &meta); err != nil {
			t.Fatal(err)
		}
		root := "/apis/"
		if !strings.Contains(meta.APIVersion, "/") {
			root = "/api/"
		}
		resource := strings.ReplaceAll(strings.ToLower(meta.Kind)+"s", "policys", "policies")
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, config.Host+root+meta.APIVersion+"/namespaces/"+i.namespace+"/"+resource, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		switch {
		case err != nil:
			t.Error(err)
		case response.StatusCode < http.StatusBadRequest:
			t.Errorf("it was let in: %s\n%s", o, said)
		case !strings.Contains(string(said), webhookName) || !strings.Contains(string(said), "["):
			t.Errorf("it was not refused by a guardrail: %s\n%s", o, said)
		}
	}
}

// field is one of an object.
func (i *intruder) field(t *testing.T, object, path string) string {
	t.Helper()
	return i.c.kubectl(t, "", "-n", i.namespace, "get", object, "-o", "jsonpath={"+path+"}")
}

func (i *intruder) front(t *testing.T) string {
	t.Helper()
	return strings.TrimPrefix(i.c.awaitPods(t, i.namespace, "app=front", 1)[0], "pod/")
}

// pod is a pod with owners, which may be empty.
func (i *intruder) pod(name, labels, owners string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s, labels: %s, ownerReferences: [%s]}, spec: {containers: [{name: c, image: example.test/c}]}}",
		name, i.namespace, labels, owners)
}

func (i *intruder) replicaSet(name, labels, owners string) string {
	return fmt.Sprintf("{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: %s, namespace: %s, ownerReferences: [%s]}, spec: {replicas: 0, selector: {matchLabels: %s}, template: %s}}",
		name, i.namespace, owners, labels, template(labels, ""))
}

func ownedBy(api, kind, name, uid string) string {
	return fmt.Sprintf("{apiVersion: %s, kind: %s, name: %s, uid: %s, controller: true}", api, kind, name, uid)
}

// evil labels would reach the db.
const evil = "{app: front, tier: frontend, access: db}"

const madeUpUID = "11111111-2222-3333-4444-555555555555"

func barePods(t *testing.T, i *intruder) {
	i.create(t, i.pod("bare", evil, ""), i.pod("bare", "{app: db, tier: frontend}", ""))
	i.may(t, i.pod("harmless", "{app: front, tier: frontend}", ""), "create", "-f", "-")
	i.denied(t, "", "label", "pod", "harmless", "access=db")
	i.may(t, "", "delete", "pod", "harmless")
}

// labelsOfAPod tries every way in which a pod's labels change.
func labelsOfAPod(t *testing.T, i *intruder) {
	front := i.front(t)
	label := `{"metadata":{"labels":{"access":"db"}}}`
	i.denied(t, "", "label", "pod", front, "access=db")
	i.denied(t, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"`+front+`","labels":{"access":"db"}}}`, "apply", "--server-side", "-f", "-")
	i.c.denied(t, "", "", "-n", i.namespace, "patch", "pod", front, "--subresource=status", "--type=merge", "-p", label)
	i.c.denied(t, "", `{"apiVersion":"v1","kind":"Binding","metadata":{"name":"`+front+`","namespace":"guarded","labels":{"access":"db"}},"target":{"apiVersion":"v1","kind":"Node","name":"n"}}`,
		"create", "--raw", "/api/v1/namespaces/guarded/pods/"+front+"/binding", "-f", "-")
	if got := i.field(t, "pod/"+front, ".metadata.labels.access"); got != "" {
		t.Errorf("the pod has access=%s", got)
	}
}

// templates are judged when they are written, whatever their replicas.
func templates(t *testing.T, i *intruder) {
	i.denied(t, "", "patch", "deployment", "front", "--type=merge", "-p", `{"spec":{"template":{"metadata":{"labels":{"access":"db"}}}}}`)
	for _, o := range []string{
		deploymentIn(i.namespace, "later", evil), job("later", evil), cronjob("later", evil), replicationController("later", evil),
	} {
		o = strings.NewReplacer("namespace: shop", "namespace: guarded", "replicas: 1", "replicas: 0").Replace(o)
		i.create(t, o)
	}
}

func forgedOwners(t *testing.T, i *intruder) {
	replicaSet := strings.TrimPrefix(i.c.kubectl(t, "", "-n", i.namespace, "get", "replicasets", "-l", "app=front", "-o", "name"), "replicaset.apps/")
	replicaSet = strings.TrimSpace(replicaSet)
	uid := i.field(t, "replicaset/"+replicaSet, ".metadata.uid")
	db := i.field(t, "statefulset/db", ".metadata.uid")
	labels := "{app: front, tier: frontend, access: db, pod-template-hash: " + i.field(t, "replicaset/"+replicaSet, `.metadata.labels.pod-template-hash`) + "}"
	for _, owner := range []string{
		ownedBy("apps/v1", "ReplicaSet", replicaSet, uid),
		ownedBy("apps/v1", "ReplicaSet", replicaSet, madeUpUID),
		ownedBy("evil.example/v1", "ReplicaSet", replicaSet, uid),
		ownedBy("apps/v1", "StatefulSet", "db", db),
		ownedBy("evil.example/v1", "StatefulSet", "db", db),
		ownedBy("evil.example/v1", "CronJob", "nightly", madeUpUID),
		ownedBy("v1", "Node", "node-1", madeUpUID),
		ownedBy("apps/v1", "ReplicaSet", "nobody", madeUpUID),
		"{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: " + db + "}, {apiVersion: apps/v1, kind: ReplicaSet, name: " + replicaSet + ", uid: " + uid + "}",
	} {
		i.create(t, i.pod("forged", labels, owner))
	}
}

// idleReplicaSets would be scaled later, by way of a subresource that nobody is asked about.
func idleReplicaSets(t *testing.T, i *intruder) {
	i.may(t, "", "create", "configmap", "anchor")
	anchor := ownedBy("v1", "ConfigMap", "anchor", i.field(t, "configmap/anchor", ".metadata.uid"))
	front := ownedBy("apps/v1", "Deployment", "front", i.field(t, "deployment/front", ".metadata.uid"))
	i.create(t,
		i.replicaSet("idle", evil, ""), i.replicaSet("idle", evil, anchor), i.replicaSet("idle", evil, front),
		i.replicaSet("idle", evil, ownedBy("apps/v1", "Deployment", "ghost", madeUpUID)),
		i.replicaSet("idle", evil, ownedBy("example.test/v1", "Rollout", "shop", madeUpUID)))
	honest := "{app: front, tier: frontend}"
	i.may(t, i.replicaSet("honest", honest, anchor), "create", "-f", "-")
	i.denied(t, "", "patch", "replicaset", "honest", "--type=merge", "-p", `{"spec":{"template":{"metadata":{"labels":{"access":"db"}}}}}`)
	i.may(t, "", "delete", "replicaset", "honest")
}

// inTheDBsLabels are frontends that wear the labels of the db and claim its controller.
func inTheDBsLabels(t *testing.T, i *intruder) {
	db := ownedBy("apps/v1", "StatefulSet", "db", i.field(t, "statefulset/db", ".metadata.uid"))
	i.create(t, i.pod("both", "{app: db, tier: frontend}", db), i.pod("both", "{app: db, tier: frontend}", ownedBy("evil.example/v1", "StatefulSet", "db", madeUpUID)))
}

// claimsInTwoSteps first claim an owner, and then change the labels.
func claimsInTwoSteps(t *testing.T, i *intruder) {
	legacy := ownedBy("example.test/v1", "Legacy", "legacy", madeUpUID)
	i.may(t, i.pod("patient", "{app: front, tier: frontend}", ""), "create", "-f", "-")
	i.denied(t, "", "patch", "pod", "patient", "--type=merge", "-p", `{"metadata":{"labels":{"access":"db"},"ownerReferences":[{"apiVersion":"example.test/v1","kind":"Legacy","name":"legacy","uid":"`+madeUpUID+`","controller":true}]}}`)
	i.may(t, "", "delete", "pod", "patient", "--force", "--grace-period=0")
	i.may(t, i.pod("patient", "{app: front, tier: frontend}", legacy), "create", "-f", "-")
	i.denied(t, "", "label", "pod", "patient", "access=db")
	i.may(t, "", "delete", "pod", "patient", "--force", "--grace-period=0")
}

// ownerJustOrphaned claims a Deployment that was just deleted.
func ownerJustOrphaned(t *testing.T, i *intruder) {
	i.may(t, deploymentIn(i.namespace, "brief", "{app: brief, tier: frontend}"), "create", "-f", "-")
	i.c.awaitPods(t, i.namespace, "app=brief", 1)
	owner := ownedBy("apps/v1", "Deployment", "brief", i.field(t, "deployment/brief", ".metadata.uid"))
	i.may(t, "", "delete", "deployment", "brief", "--cascade=orphan")
	labels := "{app: brief, tier: frontend, access: db}"
	i.create(t, i.replicaSet("brief-evil", labels, owner), i.pod("brief-evil", labels, owner))
	i.may(t, "", "delete", "replicasets", "-l", "app=brief")
}

// netpols go one after the other, down to the one that something needs.
func netpols(t *testing.T, i *intruder) {
	i.denied(t, "", "delete", "networkpolicies", "--all")
	if left := i.c.kubectl(t, "", "-n", i.namespace, "get", "networkpolicy", "deny", "-o", "name"); !strings.Contains(left, "deny") {
		t.Errorf("default-deny is gone")
	}
	i.c.kubectl(t, "", "apply", "-f", repository(t, "test", "e2e", "testdata", "lifecycles", "guarded.yaml"))
	open := "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: open, namespace: guarded}, spec: {podSelector: {matchLabels: {tier: db}}, ingress: [{}]}}"
	i.create(t, open, strings.Replace(open, "{tier: db}", "{statefulset.kubernetes.io/pod-name: db-7}", 1))
}

// nobodyGotIn looks at what is there in the end.
func (i *intruder) nobodyGotIn(t *testing.T) {
	t.Helper()
	await(t, "nothing but what was there", func(ctx context.Context) error {
		out, _, err := i.c.Kubectl(ctx, "", "-n", i.namespace, "get", everything, "-l", "access=db", "-o", "name")
		if err == nil && out != "" {
			err = errors.New(out)
		}
		return err
	})
	for _, workload := range []string{"deployments", "replicasets", "jobs", "replicationcontrollers"} {
		if out := i.field(t, workload, ".items[*].spec.template.metadata.labels"); strings.Contains(out, "access") {
			t.Errorf("%s: %s", workload, out)
		}
	}
}
