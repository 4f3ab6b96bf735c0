package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/test/server"
)

// reportCRDs are the CustomResourceDefinitions that the module of OpenReports ships.
func reportCRDs(t *testing.T) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/openreports/reports-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range []string{"reports", "clusterreports"} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "config", "crd", "openreports.io_"+name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return strings.Join(out, "\n---\n")
}

// olderCRDs are those as wgpolicyk8s.io has them: the same, but that a report as a whole
// names no source and no limits.
func olderCRDs(t *testing.T) string {
	t.Helper()
	var out []string
	for doc := range strings.SplitSeq(reportCRDs(t), "\n---\n") {
		var crd map[string]any
		if err := yaml.Unmarshal([]byte(doc), &crd); err != nil || crd == nil {
			continue
		}
		spec := crd["spec"].(map[string]any)
		names := spec["names"].(map[string]any)
		cluster := ""
		if spec["scope"] == "Cluster" {
			cluster = "cluster"
		}
		version := spec["versions"].([]any)[0].(map[string]any)
		version["name"] = "v1alpha2"
		properties := version["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)["properties"].(map[string]any)
		delete(properties, "source")
		delete(properties, "configuration")
		spec["group"] = "wgpolicyk8s.io"
		kind := map[string]string{"": "PolicyReport", "cluster": "ClusterPolicyReport"}[cluster]
		names["kind"], names["listKind"], names["singular"], names["plural"] = kind, kind+"List", strings.ToLower(kind), strings.ToLower(kind)+"s"
		delete(names, "shortNames")
		crd["metadata"] = map[string]any{"name": strings.ToLower(kind) + "s.wgpolicyk8s.io"}
		text, err := yaml.Marshal(crd)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return strings.Join(out, "\n---\n")
}

const auditRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: podcullis-audit}
rules:
- {apiGroups: [openreports.io], resources: [reports, clusterreports], verbs: [list, create, patch, delete]}
- {apiGroups: [wgpolicyk8s.io], resources: [policyreports, clusterpolicyreports], verbs: [list, create, patch, delete]}
- {nonResourceURLs: ["/apis/*"], verbs: [get]}
- {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [podcullis-audit], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: podcullis-audit}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: podcullis-audit}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: podcullis}]
`

// ignorant is a network that ignores NetworkPolicies, on a node, and the DNS that the shop's
// NetworkPolicies name.
const ignorant = `
apiVersion: v1
kind: Node
metadata: {name: n-1}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-flannel, namespace: kube-system}
spec:
  selector: {matchLabels: {app: flannel}}
  template:
    metadata: {labels: {app: flannel}}
    spec: {containers: [{name: kube-flannel, image: "registry.example/flannel-io/flannel:v0.27.0"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: coredns, image: coredns}]}
`

// audited is what some metric of the audit says, without its labels' order; and whether a
// replica shows it at all.
func (g *gate) audited(ctx context.Context, metric string) (string, bool) {
	text, err := server.Get(ctx, "http://"+g.metrics+"/metrics")
	if err != nil {
		return "", false
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(metric) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// awaitReport waits until kubectl reads a report that satisfies a condition.
func (c cluster) awaitReport(t *testing.T, what string, args []string, is func(v1alpha1.Report) error) v1alpha1.Report {
	t.Helper()
	var report v1alpha1.Report
	await(t, what, func(ctx context.Context) error {
		text, _, err := c.Kubectl(ctx, "", append([]string{"get", "-o", "json"}, args...)...)
		if err != nil {
			return err
		}
		report = v1alpha1.Report{}
		if err := json.Unmarshal([]byte(text), &report); err != nil {
			return err
		}
		return is(report)
	})
	return report
}

// What is wrong already is in reports that kubectl reads, and goes when it is mended; one of
// two replicas audits.
func TestAuditKeepsReports(t *testing.T) {
	c := start(t)
	c.shop(t)
	for _, crds := range []string{reportCRDs(t), olderCRDs(t)} {
		c.kubectl(t, crds, "apply", "--server-side", "-f", "-")
		t.Cleanup(func() { _, _, _ = c.Kubectl(context.WithoutCancel(t.Context()), crds, "delete", "-f", "-") })
	}
	for _, resource := range []string{"reports.openreports.io", "policyreports.wgpolicyk8s.io"} {
		await(t, resource+" to be served", func(ctx context.Context) error {
			_, _, err := c.Kubectl(ctx, "", "get", resource, "-A")
			return err
		})
	}
	c.kubectl(t, auditRole, "apply", "-f", "-")
	t.Cleanup(func() { _, _, _ = c.Kubectl(context.WithoutCancel(t.Context()), auditRole, "delete", "-f", "-") })
	// Nobody was asked, and it was there before anybody looked.
	c.kubectl(t, dbHole("old-hole", "app: logging"), "apply", "-f", "-")
	c.kubectl(t, egress("old-way", "app: logging"), "apply", "-f", "-")
	c.kubectl(t, ignorant, "apply", "-f", "-")
	t.Cleanup(func() {
		_, _, _ = c.Kubectl(context.WithoutCancel(t.Context()), ignorant, "delete", "--wait=false", "-f", "-")
	})
	await(t, "the DaemonSet to be for a node", func(ctx context.Context) error {
		out, _, err := c.Kubectl(ctx, "", "get", "daemonset", "-n", "kube-system", "kube-flannel", "-o", "jsonpath={.status.desiredNumberScheduled}")
		if err == nil && out != "1" {
			err = fmt.Errorf("it is for %s", out)
		}
		return err
	})

	options := gateOptions{args: []string{"--audit", "--audit-lease=default/audit-of-reports", "--audit-reports=auto", "--audit-report-owner=podcullis-audit", "--audit-namespaces"}}
	gates := []*gate{c.replica(t, options), c.replica(t, options)}
	report := c.awaitReport(t, "a report of the shop", []string{"reports.openreports.io", "podcullis", "-n", "shop"}, func(r v1alpha1.Report) error {
		if r.Summary.Fail != 1 {
			return fmt.Errorf("%d failures", r.Summary.Fail)
		}
		return nil
	})
	result := report.Results[0]
	if report.Source != "podcullis" || result.Source != "podcullis" || result.Policy != "only-backend-reaches-db" || result.Rule != "forbidden-paths" ||
		result.Result != "fail" || result.Severity != "critical" || result.Subjects[0].Name != "old-hole" || result.Timestamp.Seconds == 0 ||
		!strings.HasPrefix(result.Description, "shop/Deployment/logging could reach shop/StatefulSet/db on all ports") {
		t.Errorf("result %+v", result)
	}
	if o := report.OwnerReferences; len(o) != 1 || o[0].Kind != "ClusterRole" || o[0].Name != "podcullis-audit" || o[0].UID == "" {
		t.Errorf("owners %+v", o)
	}
	if table := c.kubectl(t, "", "get", "reports.openreports.io", "-n", "shop"); !strings.Contains(table, "podcullis") || !strings.Contains(table, "FAIL") {
		t.Errorf("kubectl prints\n%s", table)
	}
	// That the network ignores NetworkPolicies is about no namespace.
	c.awaitReport(t, "a report of the cluster", []string{"clusterreports.openreports.io", "podcullis"}, func(r v1alpha1.Report) error {
		for _, result := range r.Results {
			if result.Policy == "not-enforced" && result.Result == "warn" && result.Description == "flannel ignores NetworkPolicies: they block no packet" {
				return nil
			}
		}
		return fmt.Errorf("it has %+v", r.Results)
	})
	const finding = `podcullis_audit_findings{action="deny",guardrail="only-backend-reaches-db",severity="critical"}`
	var leader, other *gate
	await(t, "one replica to audit", func(ctx context.Context) error {
		leader, other = nil, nil
		for i, g := range gates {
			if n, shown := g.audited(ctx, finding); shown && n == "1" {
				leader, other = g, gates[1-i]
			}
		}
		if leader == nil {
			return fmt.Errorf("none does")
		}
		return nil
	})
	if n, shown := other.audited(t.Context(), finding); shown {
		t.Errorf("the other replica shows %s, too", n)
	}
	if n, _ := leader.audited(t.Context(), `podcullis_audit_namespace_findings{guardrail="only-backend-reaches-db",namespace="shop"}`); n != "1" {
		t.Errorf("%q findings in the namespace", n)
	}

	// A look that finds the same writes nothing.
	c.kubectl(t, "", "annotate", "networkpolicy", "-n", "shop", "old-hole", "a=b", "--overwrite")
	c.kubectl(t, dbHole("harmless", "app: nobody"), "apply", "-f", "-")

	// Something that gets in shows within seconds, beside what was known.
	began := time.Now()
	c.kubectl(t, egress("ways", "app: frontend"), "apply", "-f", "-")
	c.kubectl(t, dbHole("hole", "app: frontend"), "apply", "-f", "-")
	again := c.awaitReport(t, "the new hole in the report", []string{"reports.openreports.io", "podcullis", "-n", "shop"}, func(r v1alpha1.Report) error {
		if r.Summary.Fail != 2 {
			return fmt.Errorf("%d failures", r.Summary.Fail)
		}
		return nil
	})
	t.Logf("in the report %s after the change", time.Since(began).Round(100*time.Millisecond))
	if again.Generation != report.Generation+1 && again.Summary.Warn == report.Summary.Warn {
		t.Errorf("written %d times for one change", again.Generation-report.Generation)
	}
	for _, r := range again.Results {
		if r.Subjects[0].Name == "old-hole" && r.Timestamp != result.Timestamp {
			t.Error("what was known is told as new")
		}
	}

	// Mended, there is nothing to report.
	c.kubectl(t, "", "delete", "networkpolicy", "-n", "shop", "hole", "old-hole", "ways", "old-way", "harmless")
	await(t, "the report to go", func(ctx context.Context) error {
		out, _, err := c.Kubectl(ctx, "", "get", "reports.openreports.io", "-n", "shop", "-o", "name")
		if err == nil && strings.TrimSpace(out) != "" {
			err = fmt.Errorf("there is %s", out)
		}
		return err
	})

	// The one that audits goes, and the other one does it.
	leader.stop(t)
	c.kubectl(t, egress("ways", "app: frontend"), "apply", "-f", "-")
	c.kubectl(t, dbHole("hole", "app: frontend"), "apply", "-f", "-")
	await(t, "the other replica to audit", func(ctx context.Context) error {
		if n, _ := other.audited(ctx, finding); n != "1" {
			return fmt.Errorf("it shows %q", n)
		}
		return nil
	})
}

// The API that was before is written where the flag says so, and nothing where neither is served.
func TestAuditKeepsOlderReports(t *testing.T) {
	c := start(t)
	c.shop(t)
	crds := olderCRDs(t)
	c.kubectl(t, crds, "apply", "--server-side", "-f", "-")
	t.Cleanup(func() { _, _, _ = c.Kubectl(context.WithoutCancel(t.Context()), crds, "delete", "-f", "-") })
	await(t, "policyreports to be served", func(ctx context.Context) error {
		_, _, err := c.Kubectl(ctx, "", "get", "policyreports.wgpolicyk8s.io", "-A")
		return err
	})
	c.kubectl(t, auditRole, "apply", "-f", "-")
	t.Cleanup(func() { _, _, _ = c.Kubectl(context.WithoutCancel(t.Context()), auditRole, "delete", "-f", "-") })
	c.kubectl(t, dbHole("old-hole", "app: logging"), "apply", "-f", "-")
	c.kubectl(t, egress("old-way", "app: logging"), "apply", "-f", "-")
	c.replica(t, gateOptions{args: []string{"--audit", "--audit-lease=default/audit-of-older-reports", "--audit-reports=policyreport"}})
	report := c.awaitReport(t, "a report of the shop", []string{"policyreports.wgpolicyk8s.io", "podcullis", "-n", "shop"}, func(r v1alpha1.Report) error {
		if r.Summary.Fail != 1 {
			return fmt.Errorf("%d failures", r.Summary.Fail)
		}
		return nil
	})
	if report.Kind != "PolicyReport" || report.Results[0].Source != "podcullis" {
		t.Errorf("report %+v", report)
	}
}
