package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// A Deployment may pass as it is written and its pods not, here because a mutation
// labels them. Then the Deployment tells why it has none, and so do the others.
func TestDeploymentShowsThatItsPodsAreRefused(t *testing.T) {
	c := start(t)
	c.namespace(t, "partner")
	c.gate(t, gateOptions{})
	c.shop(t)
	c.kubectl(t, doorsOfTheExtraRules, "apply", "-f", "-")
	c.mutate(t)
	const labels = "{app: logging, mutate: me}"
	c.kubectl(t, deployment("mutant", labels), "create", "-f", "-")
	c.kubectl(t, job("mutant-job", labels), "create", "-f", "-")
	c.kubectl(t, strings.Replace(deployment("mutant-set", labels), "Deployment", "StatefulSet", 1), "create", "-f", "-")
	var message string
	await(t, "condition ReplicaFailure", func(ctx context.Context) error {
		out, _, err := c.Kubectl(ctx, "", "-n", "shop", "get", "deployment", "mutant", "-o", `jsonpath={.status.conditions[?(@.type=="ReplicaFailure")].message}`)
		if message = out; err == nil && out == "" {
			err = errors.New("there is none")
		}
		return err
	})
	golden(t, "deployment-replica-failure", message+"\n")
	await(t, "events that tell why", func(ctx context.Context) error {
		out, _, err := c.Kubectl(ctx, "", "-n", "shop", "get", "events", "--field-selector=reason=FailedCreate", "-o",
			`jsonpath={range .items[*]}{.involvedObject.kind} {.message}{"\n"}{end}`)
		for _, kind := range []string{"ReplicaSet", "Job", "StatefulSet"} {
			if told := regexp.MustCompile(kind + " .*denied the request: 1 guardrail denies this change to Pod shop/mutant"); err == nil && !told.MatchString(out) {
				err = fmt.Errorf("none about a %s in %s", kind, out)
			}
		}
		return err
	})
	if pods := c.kubectl(t, "", "-n", "shop", "get", "pods", "-l", "mutate", "-o", "name"); pods != "" {
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
	for _, change := range pathOpeners[:5] {
		_, asAdmin, adminErr := c.Kubectl(t.Context(), change.stdin, append([]string{"-n", "shop"}, strings.Fields(change.args)...)...)
		_, asUser, userErr := c.Kubectl(t.Context(), change.stdin, append([]string{"--kubeconfig", kubeconfig, "-n", "shop"}, strings.Fields(change.args)...)...)
		if adminErr == nil || userErr == nil || fixed(asUser) != fixed(asAdmin) || !strings.Contains(asUser, webhookName) {
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
