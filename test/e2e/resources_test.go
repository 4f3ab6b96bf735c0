package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/test/server"
)

// What the tests of custom resources start from: a frontend in one namespace, a db in another,
// and a file that says of neither that they must not meet.
const (
	resourcesConfig = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- {name: isolated, guardrail: default-deny, action: audit}
- name: kept
  guardrail: forbidden-paths
  action: deny
  parameters: {from: {podSelector: {matchLabels: {app: batch}}}, to: {podSelector: {matchLabels: {app: db}}}}
- name: lent
  guardrail: forbidden-paths
  action: deny
  exemptible: true
  parameters: {from: {podSelector: {matchLabels: {app: admin}}}, to: {podSelector: {matchLabels: {app: db}}}}
`
	resourcesCluster = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: front, labels: {app: web}}
spec: {containers: [{name: c, image: example.test/c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: back, labels: {app: db}}
spec: {containers: [{name: c, image: example.test/c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: batch, namespace: back, labels: {app: batch}}
spec: {containers: [{name: c, image: example.test/c}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut, namespace: back}
spec: {podSelector: {}, policyTypes: [Ingress]}
`
	webNeverReachesDB = `
apiVersion: podcullis.io/v1alpha1
kind: Guardrail
metadata: {name: web-never-reaches-db}
spec:
  guardrail: forbidden-paths
  action: deny
  exemptible: true
  parameters: {from: {podSelector: {matchLabels: {app: web}}}, to: {podSelector: {matchLabels: {app: db}}}}
`
	// opens is a change in back.
	opens = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: open, namespace: back}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}]}]}}`

	resourcesRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: podcullis-resources}
rules:
- {apiGroups: [podcullis.io], resources: [guardrails, exemptions], verbs: [get, list, watch]}
- {apiGroups: [podcullis.io], resources: [guardrails/status, exemptions/status], verbs: [patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: podcullis-resources}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: podcullis-resources}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: podcullis}]
`
)

// resources is a cluster with two replicas that take guardrails of objects.
type resources struct {
	cluster
	gates []*gate
}

// Guardrails and exemptions of objects, with the definitions and roles of the chart: as people
// use them, and as somebody would who wants to be rid of a guardrail.
func TestCustomResources(t *testing.T) {
	c := start(t)
	c.namespace(t, "front")
	c.namespace(t, "back")
	c.kubectl(t, resourcesCluster, "apply", "-f", "-")
	c.kubectl(t, resourcesRole, "apply", "-f", "-")
	config := filepath.Join(t.TempDir(), "guardrails.yaml")
	if err := os.WriteFile(config, []byte(resourcesConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	options := gateOptions{args: []string{
		"--config", config, "--custom-resources", "--audit", "--audit-reports", "none", "--audit-lease", "default/resources-audit",
	}}
	first := c.withoutDefinitions(t, options)
	r := &resources{cluster: c, gates: []*gate{first, c.replica(t, options)}}
	c.register(t, options, r.gates...)
	t.Cleanup(func() { r.kubectlAnyway("delete", "validatingwebhookconfiguration", doorName, "--ignore-not-found") })
	r.registerDoor(t)
	r.people(t)
	for _, part := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"AGoodOne", r.aGoodOne},
		{"BrokenOnes", r.brokenOnes},
		{"BrokenWhileNobodyWasAsked", r.brokenWhileAway},
		{"Loosening", r.loosening},
		{"AnExemption", r.anExemption},
		{"Attackers", r.attackers},
		{"AttackersWhileNobodyIsAsked", r.attackersWhileAway},
		{"WritesAreFew", r.writesAreFew},
	} {
		if !t.Run(part.name, part.do) {
			return // each goes on from what the one before left
		}
	}
}

// withoutDefinitions starts a replica in a cluster that has not the definitions: it says so,
// stays, and is ready when they are there.
func (c cluster) withoutDefinitions(t *testing.T, options gateOptions) *gate {
	t.Helper()
	dir := t.TempDir()
	certs := filepath.Join(dir, "certs")
	g := &gate{c: c, logFile: filepath.Join(dir, "webhook.log"), address: freeAddress(t), metrics: freeAddress(t), probes: freeAddress(t)}
	g.ca = writeCertificate(t, certs)
	g.args = append([]string{
		"--kubeconfig", c.readOnlyUser(t), "--cert-dir", certs, "--bind-address", g.address, "--metrics-bind-address", g.metrics,
		"--health-probe-bind-address", g.probes, "--log-format", "json", "--drain-timeout", "200ms", "--ledger", "default/" + ledgerOf(t),
	}, options.args...)
	g.process = server.Start(t, server.Command{Binary: server.Build(t, shared.dir), Args: g.args, LogFile: g.logFile})
	server.ShowLog(t, g.logFile)
	t.Cleanup(func() { g.stop(t) })
	await(t, "the replica to say what it lacks", func(context.Context) error {
		if err := g.process.Err(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(g.logFile)
		if err == nil && !strings.Contains(string(text), "the definition of guardrails.podcullis.io is not installed") {
			err = errors.New(string(text))
		}
		return err
	})
	if _, err := server.Get(t.Context(), "http://"+g.probes+"/readyz"); err == nil {
		t.Fatal("the replica is ready without the definitions")
	}
	stdout, _, err := c.Helm(t.Context(), "template", "gate", repository(t, "charts", "podcullis"), "--namespace", "podcullis",
		"--set", "customResources.enabled=true,audit.enabled=true", "--show-only", "templates/customresources.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, stdout, "apply", "-f", "-")
	t.Cleanup(func() {
		c.kubectlAnyway("delete", "guardrails", "--all")
		c.kubectlAnyway("delete", "crd", "guardrails.podcullis.io", "exemptions.podcullis.io")
	})
	g.process.AwaitReady(t, g.probes)
	return g
}

const doorName = "podcullis-resources"

// registerDoor has the API server ask the first replica about the objects, as the chart does.
func (r *resources) registerDoor(t *testing.T) {
	t.Helper()
	entry := server.Entry("resources.podcullis.io", admissionregistrationv1.WebhookClientConfig{URL: new("https://" + r.gates[0].address + "/resources"), CABundle: r.gates[0].ca}, admissionregistrationv1.Fail)
	entry.NamespaceSelector = nil
	entry.Rules = []admissionregistrationv1.RuleWithOperations{
		server.Rule("podcullis.io", "v1alpha1", "guardrails", "CREATE", "UPDATE", "DELETE"),
		server.Rule("podcullis.io", "v1alpha1", "exemptions", "CREATE", "UPDATE"),
		server.Rule("podcullis.io", "v1alpha1", "exemptions/status", "UPDATE"),
	}
	api := r.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if _, err := api.Create(t.Context(), &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: doorName}, Webhooks: []admissionregistrationv1.ValidatingWebhook{entry},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "the door to be in force", func(ctx context.Context) error {
		if _, _, err := r.Kubectl(ctx, strings.Replace(webNeverReachesDB, "from:", "form:", 1), "create", "--dry-run=server", "-f", "-"); err == nil {
			return errors.New("what is wrong was let in")
		}
		return nil
	})
}

// away does something while nobody is asked about the objects.
func (r *resources) away(t *testing.T, do func()) {
	t.Helper()
	r.kubectl(t, "", "delete", "validatingwebhookconfiguration", doorName)
	await(t, "the door to be out of force", func(ctx context.Context) error {
		_, _, err := r.Kubectl(ctx, strings.NewReplacer("from:", "form:", "web-never", "never").Replace(webNeverReachesDB), "create", "--dry-run=server", "-f", "-")
		return err
	})
	defer r.registerDoor(t)
	do()
}

// people are bound to the chart's roles: alice asks, bob and carol approve in a namespace each,
// dave may write a status and approve nothing, erin writes guardrails, mallory edits.
func (r *resources) people(t *testing.T) {
	t.Helper()
	prefix := "gate-podcullis-podcullis-"
	var out []string
	bind := func(kind, namespace, role, user string) {
		name := strings.NewReplacer(":", "-").Replace(user + "-" + role)
		out = append(out, fmt.Sprintf("{apiVersion: rbac.authorization.k8s.io/v1, kind: %s, metadata: {name: %s, namespace: %s}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %s}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %s}]}", kind, name, namespace, role, user))
	}
	for _, namespace := range []string{"front", "back"} {
		bind("RoleBinding", namespace, prefix+"exemption-requester", "alice")
		bind("RoleBinding", namespace, "edit", "mallory")
		bind("RoleBinding", namespace, "writes-status", "dave")
	}
	bind("RoleBinding", "back", prefix+"exemption-approver", "bob")
	bind("RoleBinding", "back", prefix+"exemption-requester", "bob")
	bind("RoleBinding", "front", prefix+"exemption-approver", "carol")
	bind("ClusterRoleBinding", `""`, prefix+"guardrail-author", "erin")
	out = append(out, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: writes-status}, rules: [{apiGroups: [podcullis.io], resources: [exemptions, exemptions/status], verbs: [get, patch, update]}]}")
	r.kubectl(t, strings.Join(out, "\n---\n"), "apply", "-f", "-")
}

// as runs kubectl as a user; want is what its refusal says, empty for none.
func (r *resources) as(t *testing.T, user, want, stdin string, args ...string) {
	t.Helper()
	if user != "" {
		args = append([]string{"--as", user}, args...)
	}
	_, stderr, err := r.Kubectl(t.Context(), stdin, args...)
	switch {
	case want == "" && err != nil:
		t.Errorf("kubectl %s: %v", strings.Join(args, " "), err)
	case want != "" && (err == nil || !strings.Contains(stderr, want)):
		t.Errorf("kubectl %s: %v, want a refusal that says %q", strings.Join(args, " "), err, want)
	}
}

// denied waits until a change is refused by a guardrail, or passes if that is empty, and says
// after how long.
func (r *resources) denied(t *testing.T, guardrail, change string) time.Duration {
	t.Helper()
	began := time.Now()
	await(t, "the change to be judged anew", func(ctx context.Context) error {
		_, stderr, err := r.Kubectl(ctx, change, "create", "--dry-run=server", "-f", "-")
		switch {
		case guardrail == "" && err != nil:
			return err
		case guardrail != "" && (err == nil || !strings.Contains(stderr, "["+guardrail+"]")):
			return fmt.Errorf("want a denial by %s, got %q", guardrail, stderr)
		}
		return nil
	})
	return time.Since(began)
}

// condition waits until the status of an object says something.
func (r *resources) condition(t *testing.T, object, namespace, name, status, reason, message string) {
	t.Helper()
	await(t, fmt.Sprintf("%s to be %s=%s, %s", object, name, status, reason), func(ctx context.Context) error {
		args := []string{"get", object, "-o", "json"}
		if namespace != "" {
			args = append(args, "-n", namespace)
		}
		out, _, err := r.Kubectl(ctx, "", args...)
		if err != nil {
			return err
		}
		var o struct {
			Metadata metav1.ObjectMeta
			Status   struct {
				ObservedGeneration int64
				Conditions         []metav1.Condition
			}
		}
		if err := json.Unmarshal([]byte(out), &o); err != nil {
			return err
		}
		if o.Status.ObservedGeneration != o.Metadata.Generation {
			return fmt.Errorf("observed generation %d of %d", o.Status.ObservedGeneration, o.Metadata.Generation)
		}
		for _, c := range o.Status.Conditions {
			if c.Type == name && string(c.Status) == status && c.Reason == reason && strings.Contains(c.Message, message) {
				return nil
			}
		}
		return fmt.Errorf("got %v", o.Status.Conditions)
	})
}

func (r *resources) aGoodOne(t *testing.T) {
	r.denied(t, "", opens)
	r.as(t, "erin", "", webNeverReachesDB, "create", "-f", "-")
	t.Logf("in force by two replicas %s after it was made", r.denied(t, "web-never-reaches-db", opens).Round(10*time.Millisecond))
	r.condition(t, "guardrail/web-never-reaches-db", "", "Loaded", "True", "Valid", "")
	r.condition(t, "guardrail/web-never-reaches-db", "", "Ready", "True", "InForce", "")
	r.as(t, "", "", "{apiVersion: podcullis.io/v1alpha1, kind: Guardrail, metadata: {name: front-is-isolated}, spec: {guardrail: default-deny, action: audit, match: {namespaces: [front]}}}", "create", "-f", "-")
	await(t, "the counts", func(ctx context.Context) error {
		out, _, err := r.Kubectl(ctx, "", "get", "guardrails")
		if err != nil {
			return err
		}
		for _, want := range [][]string{
			{"NAME", "GUARDRAIL", "ACTION", "READY", "REASON", "WORKLOADS", "VIOLATIONS", "AGE"},
			{"web-never-reaches-db", "forbidden-paths", "deny", "True", "InForce", "2", "0"},
			{"front-is-isolated", "default-deny", "audit", "True", "InForce", "1", "1"},
		} {
			if !hasRow(out, want) {
				return fmt.Errorf("no row %v in\n%s", want, out)
			}
		}
		return nil
	})
	// What both replicas say of themselves.
	for _, g := range r.gates {
		text, err := server.Get(t.Context(), "http://"+g.metrics+"/metrics")
		if err != nil || !strings.Contains(text, `podcullis_custom_resources{kind="Guardrail",reason="InForce"} 2`) {
			t.Errorf("a replica does not count two guardrails in force: %v", err)
		}
	}
}

// hasRow tells whether a table has a row that begins with some cells.
func hasRow(table string, cells []string) bool {
	for line := range strings.SplitSeq(table, "\n") {
		if f := strings.Fields(line); len(f) >= len(cells) && strings.Join(f[:len(cells)], " ") == strings.Join(cells, " ") {
			return true
		}
	}
	return false
}

func (r *resources) brokenOnes(t *testing.T) {
	change := func(old, new string) string {
		return strings.NewReplacer("web-never-reaches-db", "another", old, new).Replace(webNeverReachesDB)
	}
	for want, text := range map[string]string{
		`spec.action: Unsupported value: "forbid"`:            change("action: deny", "action: forbid"),
		`unknown field "spec.exemptable"`:                     change("exemptible", "exemptable"),
		"at most 63 characters":                               strings.Replace(webNeverReachesDB, "web-never-reaches-db", strings.Repeat("long-", 13)+"x", 1),
		"spec.parameters":                                     change("from:", "form:"),
		`no guardrail "forbidden-path"`:                       change("guardrail: forbidden-paths", "guardrail: forbidden-path"),
		"the configuration file has a guardrail kept":         strings.Replace(webNeverReachesDB, "web-never-reaches-db", "kept", 1),
		"spec.match.kinds[0]: forbidden-paths does not judge": change("action: deny", "action: deny\n  match: {kinds: [Secret]}"),
		"these are not in the model":                          "{apiVersion: podcullis.io/v1alpha1, kind: Guardrail, metadata: {name: another}, spec: {guardrail: exposed-to-outside, action: deny}}",
	} {
		r.as(t, "", want, text, "create", "-f", "-")
	}
	if out := r.kubectl(t, "", "get", "guardrail", "another", "--ignore-not-found"); out != "" {
		t.Errorf("a broken one was stored: %s", out)
	}
}

func (r *resources) brokenWhileAway(t *testing.T) {
	r.away(t, func() {
		r.as(t, "", "", `{"spec":{"parameters":{"from":null,"form":{}}}}`, "patch", "guardrail", "web-never-reaches-db", "--type=merge", "--patch-file=/dev/stdin")
		r.condition(t, "guardrail/web-never-reaches-db", "", "Loaded", "False", "Invalid", "spec.parameters")
		r.condition(t, "guardrail/web-never-reaches-db", "", "Ready", "False", "OlderInForce", "generation 1 stays in force")
		r.denied(t, "web-never-reaches-db", opens)
		// One that never was right, and one that has the name of another in the file.
		r.as(t, "", "", strings.NewReplacer("web-never-reaches-db", "never-right", "from:", "form:").Replace(webNeverReachesDB), "create", "-f", "-")
		r.as(t, "", "", strings.NewReplacer("web-never-reaches-db", "kept", "deny", "audit").Replace(webNeverReachesDB), "create", "-f", "-")
		r.condition(t, "guardrail/never-right", "", "Ready", "False", "Invalid", "spec.parameters")
		r.condition(t, "guardrail/kept", "", "Ready", "False", "NameTaken", "metadata.name: the configuration file has")
		r.denied(t, "kept", strings.ReplaceAll(opens, "app: web", "app: batch"))
	})
	r.as(t, "", "", "", "delete", "guardrail", "never-right", "kept")
	r.as(t, "", "", webNeverReachesDB, "replace", "-f", "-")
	r.condition(t, "guardrail/web-never-reaches-db", "", "Ready", "True", "InForce", "")
}

func (r *resources) loosening(t *testing.T) {
	patch := func(user, want, spec string) {
		t.Helper()
		r.as(t, user, want, "", "patch", "guardrail", "web-never-reaches-db", "--type=merge", "-p", `{"spec":`+spec+`}`)
	}
	patch("erin", "needs the verb loosen", `{"action":"audit"}`)
	patch("erin", "needs the verb loosen", `{"match":{"namespaces":["nowhere"]}}`)
	patch("erin", "needs the verb loosen", `{"parameters":{"to":{"podSelector":{"matchLabels":{"app":"other"}}}}}`)
	patch("erin", "", `{"exemptible":false}`)
	patch("erin", "needs the verb loosen", `{"exemptible":true}`)
	patch("erin", "", `{"description":"Card data stays where it is."}`)
	r.as(t, "erin", "cannot delete resource", "", "delete", "guardrail", "web-never-reaches-db")
	r.as(t, "mallory", "cannot delete resource", "", "delete", "guardrail", "web-never-reaches-db")
	// One who may delete and not loosen.
	r.kubectl(t, `
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: deletes}, rules: [{apiGroups: [podcullis.io], resources: [guardrails], verbs: [get, delete, deletecollection, list]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: deletes}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: deletes}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: frank}]}
`, "apply", "-f", "-")
	r.as(t, "frank", "needs the verb loosen", "", "delete", "guardrail", "web-never-reaches-db")
	r.as(t, "frank", "needs the verb loosen", "", "delete", "guardrails", "--all")
	r.denied(t, "web-never-reaches-db", opens)
	patch("", "", `{"exemptible":true}`)
}

// exemption is one that a user asks for.
func exemption(namespace, by, more string) string {
	return fmt.Sprintf("{apiVersion: podcullis.io/v1alpha1, kind: Exemption, metadata: {name: moving, namespace: %s}, spec: {guardrails: [web-never-reaches-db], reason: the move, expires: 2099-01-31, requestedBy: %s%s}}", namespace, by, more)
}

// approve sets status.approval of the exemption in a namespace.
func (r *resources) approve(t *testing.T, user, want, namespace, by string, generation int) {
	t.Helper()
	r.as(t, user, want, "", "-n", namespace, "patch", "exemption", "moving", "--subresource=status", "--type=merge",
		"-p", fmt.Sprintf(`{"status":{"approval":{"by":%q,"generation":%d}}}`, by, generation))
}

func (r *resources) anExemption(t *testing.T) {
	r.as(t, "alice", `spec.requestedBy: got "bob"`, exemption("back", "bob", ""), "create", "-f", "-")
	r.as(t, "alice", "guardrail kept is not exemptible", strings.Replace(exemption("back", "alice", ""), "web-never-reaches-db", "kept", 1), "create", "-f", "-")
	r.as(t, "alice", `no guardrail is named "nothing"`, strings.Replace(exemption("back", "alice", ""), "web-never-reaches-db", "nothing", 1), "create", "-f", "-")
	r.as(t, "alice", "spec.expires", strings.Replace(exemption("back", "alice", ""), "2099-01-31", "2099-02-31", 1), "create", "-f", "-")
	r.as(t, "alice", "spec.expires: Required value", strings.Replace(exemption("back", "alice", ""), "expires: 2099-01-31, ", "", 1), "create", "-f", "-")
	r.as(t, "alice", "", exemption("back", "alice", ""), "create", "-f", "-")
	r.condition(t, "exemption/moving", "back", "Ready", "False", "NotApproved", "namespace back")
	r.denied(t, "web-never-reaches-db", opens)

	r.approve(t, "bob", "", "back", "bob", 1)
	r.condition(t, "exemption/moving", "back", "Ready", "True", "InForce", "through 2099-01-31")
	r.denied(t, "web-never-reaches-db", opens) // the other end has not agreed
	r.as(t, "alice", "", exemption("front", "alice", ""), "create", "-f", "-")
	r.approve(t, "carol", "", "front", "carol", 1)
	t.Logf("exempt by two replicas %s after the approval", r.denied(t, "", opens).Round(10*time.Millisecond))
	if out := r.kubectl(t, "", "get", "exemptions", "-n", "back"); !hasRow(out, []string{"moving", `["web-never-reaches-db"]`, "2099-01-31", "alice", "bob", "True", "InForce"}) {
		t.Errorf("kubectl get exemptions:\n%s", out)
	}

	// Whoever changes it asks anew.
	r.as(t, "alice", "", "", "-n", "back", "patch", "exemption", "moving", "--type=merge", "-p", `{"spec":{"expires":"2099-12-31"}}`)
	r.denied(t, "web-never-reaches-db", opens)
	r.condition(t, "exemption/moving", "back", "Ready", "False", "ChangedSinceApproval", "bob has approved generation 1, and this is generation 2")
	r.approve(t, "bob", "status.approval.generation: got 3; the exemption is at generation 2", "back", "bob", 3)
	r.approve(t, "bob", "", "back", "bob", 2)
	r.denied(t, "", opens)

	// It is taken back, and deleted.
	r.as(t, "carol", "", "", "-n", "front", "patch", "exemption", "moving", "--subresource=status", "--type=merge", "-p", `{"status":{"approval":null}}`)
	r.denied(t, "web-never-reaches-db", opens)
	r.approve(t, "carol", "", "front", "carol", 1)
	r.denied(t, "", opens)
	r.as(t, "alice", "", "", "-n", "back", "delete", "exemption", "moving")
	r.denied(t, "web-never-reaches-db", opens)
}

func (r *resources) attackers(t *testing.T) {
	// Whoever edits a namespace has nothing to do with exemptions but to read them.
	r.as(t, "mallory", "cannot create resource", exemption("back", "mallory", ""), "create", "-f", "-")
	r.as(t, "mallory", "", "", "-n", "front", "get", "exemptions")
	// Who asks does not approve, in no name.
	r.as(t, "alice", "", exemption("back", "alice", ""), "create", "-f", "-")
	r.approve(t, "alice", "is forbidden: User", "back", "bob", 1)
	r.approve(t, "bob", "nobody approves in the name of others", "back", "carol", 1)
	r.approve(t, "dave", "needs the verb approve", "back", "dave", 1)
	r.approve(t, "carol", "is forbidden: User", "back", "carol", 1)
	r.as(t, "bob", `spec.requestedBy: got "alice"`, "", "-n", "back", "patch", "exemption", "moving", "--type=merge", "-p", `{"spec":{"expires":"2098-01-31"}}`)
	r.as(t, "bob", "", "", "-n", "back", "patch", "exemption", "moving", "--type=merge", "-p", `{"spec":{"requestedBy":"bob"}}`)
	r.approve(t, "bob", "who asks for an exemption does not approve it", "back", "bob", 2)
	r.as(t, "alice", "", "", "-n", "back", "delete", "exemption", "moving")
	// An approval that comes with the object, and a generation that is forged.
	forged := strings.Replace(exemption("back", "alice", ""), "metadata: {", "status: {approval: {by: bob, generation: 7}}, metadata: {generation: 7, ", 1)
	r.as(t, "alice", "", forged, "create", "-f", "-")
	if out := r.kubectl(t, "", "-n", "back", "get", "exemption", "moving", "-o", "jsonpath={.metadata.generation} {.status.approval}"); out != "1 " {
		t.Errorf("generation and approval of a forged one: %q", out)
	}
	r.approve(t, "bob", "", "back", "bob", 1)
	r.as(t, "alice", "", "", "-n", "back", "patch", "exemption", "moving", "--type=merge", "-p", `{"metadata":{"generation":1},"spec":{"match":{"workloads":["db"]}}}`)
	r.condition(t, "exemption/moving", "back", "Ready", "False", "ChangedSinceApproval", "")
	// One that is over exempts nothing, though approved.
	r.as(t, "alice", "", "", "-n", "back", "patch", "exemption", "moving", "--type=merge", "-p", `{"spec":{"expires":"2020-01-31"}}`)
	r.approve(t, "bob", "", "back", "bob", 3)
	r.condition(t, "exemption/moving", "back", "Ready", "False", "Expired", "spec.expires: 2020-01-31 is over")
	r.denied(t, "web-never-reaches-db", opens)
	r.as(t, "alice", "", "", "-n", "back", "delete", "exemption", "moving")
	// It names what it is about, and no more.
	r.as(t, "alice", "", exemption("back", "alice", ", match: {workloads: [other], netpols: [open]}"), "create", "-f", "-")
	r.approve(t, "bob", "", "back", "bob", 1)
	r.condition(t, "exemption/moving", "back", "Ready", "True", "InForce", "")
	r.denied(t, "web-never-reaches-db", opens)
	r.as(t, "alice", "", "", "-n", "back", "delete", "exemption", "moving")
}

// Nobody is asked: what holds is RBAC, the definitions, and what the replicas believe.
func (r *resources) attackersWhileAway(t *testing.T) {
	r.away(t, func() {
		r.as(t, "alice", "", exemption("back", "carol", ""), "create", "-f", "-") // in the name of another
		r.approve(t, "alice", "is forbidden: User", "back", "bob", 1)
		r.as(t, "mallory", "cannot create resource", exemption("front", "mallory", ""), "create", "-f", "-")
		r.as(t, "bob", "", strings.Replace(exemption("back", "bob", ""), "moving", "own", 1), "create", "-f", "-")
		r.as(t, "bob", "who asks for an exemption does not approve it", "", "-n", "back", "patch", "exemption", "own", "--subresource=status", "--type=merge", "-p", `{"status":{"approval":{"by":"bob","generation":1}}}`)
		r.as(t, "erin", "cannot delete resource", "", "delete", "guardrail", "web-never-reaches-db")
		r.condition(t, "exemption/moving", "back", "Ready", "False", "NotApproved", "")
		r.condition(t, "exemption/own", "back", "Ready", "False", "NotApproved", "")
		r.denied(t, "web-never-reaches-db", opens)
	})
	r.as(t, "", "", "", "-n", "back", "delete", "exemptions", "--all")
}

// writesAreFew: a status that is as it should be is not written.
func (r *resources) writesAreFew(t *testing.T) {
	total := func() (n string) {
		for _, g := range r.gates {
			text, err := server.Get(t.Context(), "http://"+g.metrics+"/metrics")
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(text, "\n") {
				if strings.HasPrefix(line, "podcullis_custom_resource_status_writes_total") {
					n += line + "\n"
				}
			}
		}
		return n
	}
	if text := total(); strings.Contains(text, `result="failed"} 1`) {
		t.Errorf("writes failed:\n%s", text)
	} else {
		t.Logf("all the writes of these tests:\n%s", text)
	}
}
