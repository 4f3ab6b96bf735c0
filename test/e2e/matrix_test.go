package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/dynamic"

	model "github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/remote"
)

// What may come of an attempt.
const (
	isRefused = "refused"                   // by the webhook
	isStopped = "the API server takes none" // before anybody is asked
	isVain    = "nothing changes"           // it is taken, and the model is as it was
	gotIn     = "IN"
)

// attempt is one way to get past Podcullis.
type attempt struct {
	threat, way string
	stdin       string
	args        []string
	as          string // another user than the administrator
	want        string // isRefused where empty
}

// TestBypassMatrix tries every way to get a path or a workload without isolation in, on a
// real API server, and compares what comes of it with the table in docs/security.md.
func TestBypassMatrix(t *testing.T) {
	c := start(t)
	c.namespace(t, "partner")
	c.namespace(t, "escape")
	c.gate(t, gateOptions{})
	c.shop(t)
	c.kubectl(t, doorsOfTheExtraRules, "apply", "-f", "-")
	t.Cleanup(func() {
		c.kubectlAnyway("delete", "namespace", "brand-new", "--wait=false")
		c.kubectlAnyway("label", "namespace", "partner", "trusted-")
		c.kubectlAnyway("-n", "shop", "patch", "pod", "leaving", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		c.kubectlAnyway("-n", "shop", "patch", "networkpolicy", "default-deny", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	})
	frontend := strings.TrimPrefix(c.awaitPods(t, "shop", "app=frontend", 1)[0], "pod/")
	c.awaitPods(t, "partner", "app=client", 1)
	c.prepareMatrix(t)
	c.mutate(t)
	// Bound to a node, or it would be ended by the garbage collector of pods meanwhile.
	leaving := strings.NewReplacer("name: leaving", "name: leaving, finalizers: [example.test/hold]", "spec: {", "spec: {nodeName: node-1, ").Replace(pod("leaving", "{app: logging}", "shop"))
	c.kubectl(t, leaving, "create", "-f", "-")
	c.kubectl(t, "", "-n", "shop", "delete", "pod", "leaving", "--wait=false")
	var rows []string
	in := 0
	before := c.meaningOf(t)
	for _, a := range attempts(frontend) {
		if a.want == "" {
			a.want = isRefused
		}
		got, after := c.try(t, a, before)
		before = after
		if got != a.want {
			t.Errorf("%s, %s: %s, want %s", a.threat, a.way, got, a.want)
		}
		if strings.HasPrefix(got, gotIn) {
			in++
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |", a.threat, strings.ReplaceAll(a.way, "|", `\|`), a.want, strings.SplitN(got, ":", 2)[0]))
	}
	t.Logf("%d attempts, %d got in\n%s", len(rows), in, strings.Join(rows, "\n"))
	if len(rows) < 60 {
		t.Errorf("only %d attempts", len(rows))
	}
	shownIn(t, repository(t, "docs", "security.md"), "bypass", "| threat | way | expected | what happened |\n|---|---|---|---|\n"+strings.Join(rows, "\n")+"\n")
}

// try does one attempt, and says what came of it and how the model is after it.
func (c cluster) try(t *testing.T, a attempt, before string) (got, after string) {
	t.Helper()
	args := a.args
	if a.as != "" {
		args = append([]string{"--as", a.as}, args...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stdout, stderr, err := c.Kubectl(ctx, a.stdin, args...)
	after = c.meaningOf(t)
	switch {
	case after != before:
		return gotIn + ": " + cmp.Diff(before, after) + stdout, after
	case err != nil && strings.Contains(stderr, webhookName):
		return isRefused, after
	case err != nil:
		t.Logf("%s, %s: %s", a.threat, a.way, stderr)
		return isStopped, after
	case strings.Contains(stdout, "dry run"):
		return gotIn + ": a dry run passes", after
	}
	return isVain, after
}

// meaningOf is what of the namespaces of the test the model holds: labels, templates,
// owners and netpols.
func (c cluster) meaningOf(t *testing.T) string {
	t.Helper()
	client, err := dynamic.NewForConfig(c.REST())
	if err != nil {
		t.Fatal(err)
	}
	set, err := remote.Read(t.Context(), client, noOther{}, "cluster")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, o := range set.Objects {
		ref := o.Ref()
		if in := ref.Namespace; !slices.Contains([]string{"shop", "partner", "escape", "brand-new"}, in) && (in != "" || !slices.Contains([]string{"shop", "partner", "escape"}, ref.Name)) {
			continue
		}
		switch m := o.Model.(type) {
		case *model.Netpol:
			var netpol networkingv1.NetworkPolicy
			if err := json.Unmarshal(o.JSON, &netpol); err != nil {
				t.Fatal(err)
			}
			spec, err := json.Marshal(netpol.Spec)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&out, o.Ref(), string(spec))
		default:
			fmt.Fprintln(&out, o.Ref(), shown(m))
		}
	}
	return out.String()
}

// prepareMatrix makes what attempts build on; all of it opens nothing.
func (c cluster) prepareMatrix(t *testing.T) {
	t.Helper()
	c.kubectl(t, "", "-n", "shop", "label", "networkpolicy", "default-deny", "tier=base")
	c.kubectl(t, "", "-n", "shop", "patch", "networkpolicy", "default-deny", "--type=merge", "-p", `{"metadata":{"finalizers":["example.test/hold"]}}`)
	c.kubectl(t, "", "apply", "--server-side", "--field-manager=others", "--force-conflicts", "-f", repository(t, "examples", "shop", "10-netpols.yaml"))
	c.kubectl(t, `
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: mallory, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory}]}
`, "apply", "-f", "-")
	await(t, "the role to be known to the authorizer", func(ctx context.Context) error {
		_, _, err := c.Kubectl(ctx, "", "--as", mallory, "-n", "shop", "auth", "can-i", "create", "pods")
		return err
	})
}

// shownIn compares a generated part of a page with what it has to be, or writes it.
func shownIn(t *testing.T, file, part, want string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- generated: "+part+" (go test ./test/e2e -run TestBypassMatrix -update) -->\n", "<!-- end -->"
	head, rest, found := strings.Cut(string(text), begin)
	got, tail, closed := strings.Cut(rest, end)
	switch {
	case !found || !closed:
		t.Fatalf("%s has no part %q", file, begin)
	case *update:
		write(t, file, []byte(head+begin+want+end+tail))
	default:
		if diff := cmp.Diff(strings.Split(got, "\n"), strings.Split(want, "\n")); diff != "" {
			t.Errorf("%s is out of date; run the test with -update (-shown +real):\n%s", file, diff)
		}
	}
}
