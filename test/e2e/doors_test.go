package e2e

import (
	"strings"
	"testing"
)

// change is a kubectl command that the webhook must refuse.
type change struct {
	name  string // of the subtest and of the golden file
	stdin string
	args  string // POD is a pod of Deployment frontend
}

// Every way there is to open a path to the shop's database.
var pathOpeners = []change{
	{"netpol-create", netpol("open-db", `podSelector: {matchLabels: {app: db}}`, `ingress: [{}]`), "create -f -"},
	{"netpol-apply-new", netpol("open-db", `podSelector: {matchLabels: {app: db}}`, `ingress: [{from: [{podSelector: {matchLabels: {app: logging}}}]}]`), "apply -f -"},
	{"netpol-apply-server-side", netpol("open-db", `podSelector: {}`, `ingress: [{from: [{podSelector: {}}], ports: [{port: 5432}]}]`), "apply --server-side -f -"},
	{"netpol-create-dry-run", netpol("open-db", `podSelector: {matchLabels: {app: db}}`, `ingress: [{}]`), "create --dry-run=server -f -"},
	{"netpol-generate-name", strings.Replace(netpol("x", `podSelector: {matchLabels: {app: db}}`, `ingress: [{}]`), "name: x", "generateName: named-by-server-", 1), "create -f -"},
	{"netpol-update-apply", netpol("db-from-backend", `podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]`, `ingress: [{from: [{podSelector: {}}], ports: [{protocol: TCP, port: postgres}]}]`), "apply -f -"},
	{"netpol-update-server-side", netpol("db-from-backend", `podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]`, `ingress: [{from: [{podSelector: {}}], ports: [{protocol: TCP, port: postgres}]}]`), "apply --server-side --force-conflicts -f -"},
	{"netpol-update-replace", netpol("db-from-backend", `podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]`, `ingress: [{}]`), "replace -f -"},
	{"netpol-patch-json", "", `patch networkpolicy db-from-backend --type=json -p [{"op":"remove","path":"/spec/ingress/0/from"}]`},
	{"netpol-patch-merge", "", `patch networkpolicy db-from-backend --type=merge -p {"spec":{"ingress":[{}]}}`},
	{"netpol-patch-strategic", "", `patch networkpolicy db-from-backend --type=strategic -p {"spec":{"ingress":[{"from":[{"podSelector":{}}]}]}}`},
	{"netpol-patch-dry-run", "", `patch networkpolicy db-from-backend --type=merge --dry-run=server -p {"spec":{"ingress":[{}]}}`},
	{"pod-create", pod("intruder", `{app: logging, role: backend}`, "shop"), "create -f -"},
	{"pod-relabel", "", "label POD app=backend --overwrite"},
	{"pod-relabel-dry-run", "", "label POD app=backend --overwrite --dry-run=server"},
	{"pod-extra-label", "", "label POD role=backend"},
	{"deployment-create", deployment("intruder", `{app: logging, role: backend}`), "create -f -"},
	{"deployment-template", "", `patch deployment logging --type=merge -p {"spec":{"template":{"metadata":{"labels":{"role":"backend"}}}}}`},
	{"deployment-template-dry-run", "", `patch deployment logging --dry-run=server --type=merge -p {"spec":{"template":{"metadata":{"labels":{"role":"backend"}}}}}`},
	{"replicaset-create", strings.Replace(deployment("intruder", `{app: logging, role: backend}`), "Deployment", "ReplicaSet", 1), "create -f -"},
	{"replicationcontroller-create", replicationController("intruder", `{app: logging, role: backend}`), "create -f -"},
	{"daemonset-create", strings.Replace(strings.Replace(deployment("intruder", `{app: logging, role: backend}`), "Deployment", "DaemonSet", 1), "replicas: 1, ", "", 1), "create -f -"},
	{"statefulset-create", strings.Replace(deployment("intruder", `{app: logging, role: backend}`), "Deployment", "StatefulSet", 1), "create -f -"},
	{"job-create", job("intruder", `{app: logging, role: backend}`), "create -f -"},
	{"cronjob-create", cronjob("intruder", `{app: logging, role: backend}`), "create -f -"},
	{"namespace-relabel", "", "label namespace partner trusted=yes"},
	{"namespace-patch", "", `patch namespace partner --type=merge -p {"metadata":{"labels":{"trusted":"yes"}}}`},
}

// Every way there is to leave a workload without isolation.
var isolationTakers = []change{
	{"default-deny-delete", "", "delete networkpolicy default-deny"},
	{"default-deny-delete-dry-run", "", "delete networkpolicy default-deny --dry-run=server"},
	{"default-deny-delete-collection", "", "delete --raw /apis/networking.k8s.io/v1/namespaces/shop/networkpolicies?fieldSelector=metadata.name%3Ddefault-deny"},
	{"default-deny-delete-by-label", "", "delete networkpolicies -l tier=base"},
	{"default-deny-narrow", "", `patch networkpolicy default-deny --type=merge -p {"spec":{"podSelector":{"matchLabels":{"app":"frontend"}}}}`},
	{"default-deny-only-egress", "", `patch networkpolicy default-deny --type=merge -p {"spec":{"policyTypes":["Egress"]}}`},
	{"pod-not-isolated", pod("bare", `{app: bare}`, "default"), "create -n default -f -"},
	{"pod-not-isolated-generate-name", strings.Replace(pod("bare", `{app: bare}`, "default"), "name: bare", "generateName: named-by-server-", 1), "create -n default -f -"},
	{"pod-host-network", strings.Replace(pod("host", `{app: host}`, "shop"), "spec: {", "spec: {hostNetwork: true, ", 1), "create -f -"},
	{"deployment-not-isolated", deploymentIn("default", "bare", `{app: bare}`), "create -n default -f -"},
}

func TestEveryDoorIsRefused(t *testing.T) {
	c := start(t)
	c.namespace(t, "partner")
	c.gate(t, gateOptions{})
	c.shop(t)
	c.kubectl(t, doorsOfTheExtraRules, "apply", "-f", "-")
	t.Cleanup(func() { c.kubectlAnyway("label", "namespace", "partner", "trusted-") })
	frontend := c.awaitPods(t, "shop", "app=frontend", 1)[0]
	c.awaitPods(t, "partner", "app=client", 1)
	c.kubectl(t, "", "-n", "shop", "label", "networkpolicy", "default-deny", "tier=base")
	before := c.everything(t)
	for _, changes := range [][]change{pathOpeners, isolationTakers} {
		for _, change := range changes {
			t.Run(change.name, func(t *testing.T) {
				args := strings.Fields(strings.ReplaceAll(change.args, "POD", frontend))
				if !strings.Contains(change.args, "-n ") && !strings.Contains(change.args, "--raw") {
					args = append([]string{"-n", "shop"}, args...)
				}
				c.refused(t, change.name, change.stdin, args...)
			})
		}
	}
	if after := c.everything(t); after != before {
		t.Errorf("the refused changes have changed something:\nbefore\n%s\nafter\n%s", before, after)
	}
	// kubectl deletes one by one: only what is no protection goes.
	c.refusedAs(t, "default-deny-delete-all", withoutWarnings, "", "-n", "shop", "delete", "networkpolicies", "--all")
	if left := c.kubectl(t, "", "-n", "shop", "get", "networkpolicies", "-o", "name"); !strings.Contains(left, "default-deny") {
		t.Errorf("default-deny is gone; left: %s", left)
	}
}

// doorsOfTheExtraRules lets labels open what is shut in the example: pods with
// role=backend and namespaces with trusted=yes may reach the database. That is
// accepted, since there are none.
const doorsOfTheExtraRules = `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: default-deny, namespace: partner}, spec: {podSelector: {}, policyTypes: [Ingress]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: egress, namespace: partner}, spec: {podSelector: {}, policyTypes: [Egress], egress: [{}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: partner}
spec: {selector: {matchLabels: {app: client}}, template: {metadata: {labels: {app: client}}, spec: {containers: [{name: c, image: example.test/c}]}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: labels-open, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from:
    - podSelector: {matchLabels: {role: backend}}
    - namespaceSelector: {matchLabels: {trusted: "yes"}}
    ports: [{port: 5432}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: role-egress, namespace: shop}
spec: {podSelector: {matchLabels: {role: backend}}, policyTypes: [Egress], egress: [{}]}
`

func netpol(name, selector, rules string) string {
	return "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: " + name + ", namespace: shop}, spec: {" + selector + ", " + rules + "}}"
}

func pod(name, labels, namespace string) string {
	return "{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", namespace: " + namespace + ", labels: " + labels + "}, spec: {containers: [{name: c, image: example.test/c}]}}"
}

func deployment(name, labels string) string { return deploymentIn("shop", name, labels) }

func deploymentIn(namespace, name, labels string) string {
	return "{apiVersion: apps/v1, kind: Deployment, metadata: {name: " + name + ", namespace: " + namespace + "}, spec: {replicas: 1, selector: {matchLabels: " + labels + "}, template: " + template(labels, "") + "}}"
}

// A ReplicationController selects by a plain map, not by a LabelSelector.
func replicationController(name, labels string) string {
	return "{apiVersion: v1, kind: ReplicationController, metadata: {name: " + name + ", namespace: shop}, spec: {replicas: 1, selector: " + labels + ", template: " + template(labels, "") + "}}"
}

func job(name, labels string) string {
	return "{apiVersion: batch/v1, kind: Job, metadata: {name: " + name + ", namespace: shop}, spec: {template: " + template(labels, "restartPolicy: Never, ") + "}}"
}

func cronjob(name, labels string) string {
	return "{apiVersion: batch/v1, kind: CronJob, metadata: {name: " + name + `, namespace: shop}, spec: {schedule: "0 0 1 1 *", jobTemplate: {spec: {template: ` + template(labels, "restartPolicy: Never, ") + "}}}}"
}

func template(labels, spec string) string {
	return "{metadata: {labels: " + labels + "}, spec: {" + spec + "containers: [{name: c, image: example.test/c}]}}"
}
