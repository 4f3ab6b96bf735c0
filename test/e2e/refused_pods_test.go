package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// A Deployment that the webhook was not asked about says why it has no pods.
func TestDeploymentShowsThatItsPodsAreRefused(t *testing.T) {
	c := start(t)
	c.namespace(t, "shop")
	c.gate(t, gateOptions{rules: []string{"/pods", "networking.k8s.io/networkpolicies"}})
	c.kubectl(t, deployment("bare", "{app: bare}"), "create", "-f", "-")
	var message string
	await(t, "condition ReplicaFailure", func(ctx context.Context) error {
		out, _, err := c.Kubectl(ctx, "", "-n", "shop", "get", "deployment", "bare", "-o", `jsonpath={.status.conditions[?(@.type=="ReplicaFailure")].message}`)
		if message = out; err == nil && out == "" {
			err = errors.New("there is none")
		}
		return err
	})
	golden(t, "deployment-replica-failure", message+"\n")
	await(t, "an event of the ReplicaSet", func(ctx context.Context) error {
		out, _, err := c.Kubectl(ctx, "", "-n", "shop", "get", "events", "--field-selector=reason=FailedCreate", "-o", "jsonpath={.items[*].message}")
		if err == nil && !strings.Contains(out, "would not be isolated for egress and ingress") {
			err = fmt.Errorf("events: %q", out)
		}
		return err
	})
	for _, workload := range []struct{ kind, manifest string }{
		{"job", job("bare-job", "{app: bare}")},
		{"daemonset", strings.Replace(strings.Replace(deployment("bare-daemonset", "{app: bare}"), "Deployment", "DaemonSet", 1), "replicas: 1, ", "", 1)},
		{"replicaset", strings.Replace(deployment("bare-replicaset", "{app: bare}"), "Deployment", "ReplicaSet", 1)},
		{"statefulset", strings.Replace(deployment("bare-statefulset", "{app: bare}"), "Deployment", "StatefulSet", 1)},
	} {
		c.kubectl(t, workload.manifest, "create", "-f", "-")
	}
	await(t, "events of the others", func(ctx context.Context) error {
		out, _, err := c.Kubectl(ctx, "", "-n", "shop", "get", "events", "--field-selector=reason=FailedCreate", "-o", "jsonpath={.items[*].involvedObject.kind}")
		for _, kind := range []string{"Job", "ReplicaSet", "StatefulSet"} { // a DaemonSet makes pods for nodes, and there are none
			if err == nil && !strings.Contains(out, kind) {
				err = fmt.Errorf("events about %s", out)
			}
		}
		return err
	})
	if pods := c.kubectl(t, "", "-n", "shop", "get", "pods", "-o", "name"); pods != "" {
		t.Errorf("there are pods: %s", pods)
	}
}

// A user who may edit a namespace gets the same answer as the admin.
func TestUserWhoIsNoAdminIsRefusedAlike(t *testing.T) {
	c := start(t)
	g := c.gate(t, gateOptions{})
	c.shop(t)
	kubeconfig, err := c.UserKubeconfig("dana", "developers")
	if err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, developers, "apply", "-f", "-")
	await(t, "the role to be known to the authorizer", func(ctx context.Context) error {
		_, _, err := c.Kubectl(ctx, "", "--kubeconfig", kubeconfig, "-n", "shop", "auth", "can-i", "create", "networkpolicies")
		return err
	})
	for _, change := range pathOpeners[:1] { // against the golden file of the admin's, word for word
		_, asAdmin, adminErr := c.Kubectl(t.Context(), change.stdin, append([]string{"-n", "shop"}, strings.Fields(change.args)...)...)
		_, asUser, userErr := c.Kubectl(t.Context(), change.stdin, append([]string{"--kubeconfig", kubeconfig, "-n", "shop"}, strings.Fields(change.args)...)...)
		if adminErr == nil || userErr == nil || asUser != asAdmin || !strings.Contains(asUser, webhookName) {
			t.Errorf("%s: the user reads\n%s\nthe admin\n%s", change.name, asUser, asAdmin)
		}
	}
	c.refused(t, "user-default-deny-delete", "", "--kubeconfig", kubeconfig, "-n", "shop", "delete", "networkpolicy", "default-deny")
	if log := g.log(t); !strings.Contains(log, `"user":"dana"`) {
		t.Error("the webhook's log does not name the user")
	}
	c.kubectl(t, "", "--kubeconfig", kubeconfig, "-n", "shop", "scale", "deployment/logging", "--replicas=2")
}

const developers = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: netpols, namespace: shop}
rules: [{apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: netpols, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: netpols}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: developers, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}]
`
