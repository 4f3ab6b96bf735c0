package main

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/bundle/bundletest"
)

// registryOf is that of a server with an API server and a bundle.
func registryOf(t *testing.T) *prometheus.Registry {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(`{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	o := defaultOptions()
	o.kubeconfig, o.selfSignedDir = kubeconfig, t.TempDir()
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if err := os.WriteFile(file, bundletest.Build(t, "v1", 1, string(guardrail.DefaultConfig)), 0o600); err != nil {
		t.Fatal(err)
	}
	o.bundle = bundleOptions{address: file, unsigned: true}
	o.audit.on, o.audit.namespaces, o.audit.reports = true, true, "auto"
	o.resources.on = true
	a, err := setup(t.Context(), o, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return a.registry
}

// metricsOf are the names of ours that it shows.
func metricsOf(t *testing.T) []string {
	t.Helper()
	registry, descriptions := registryOf(t), make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		registry.Describe(descriptions)
	}()
	names := map[string]bool{}
	for d := range descriptions {
		if m := regexp.MustCompile(`fqName: "(podcullis_\w+)"`).FindStringSubmatch(d.String()); m != nil {
			names[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// increase() is blind to the first event of a series that begins with it, so a label that
// has few values has them all from the start.
func TestFixedLabelsAreThereFromTheStart(t *testing.T) {
	families, err := registryOf(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if strings.HasPrefix(family.GetName(), "podcullis_") {
					got[family.GetName()] = append(got[family.GetName()], label.GetValue())
				}
			}
		}
	}
	if build := got["podcullis_build_info"]; len(build) != 2 || !slices.Contains(build, version) {
		t.Errorf("podcullis_build_info has %q", build)
	}
	delete(got, "podcullis_build_info")
	if info := got["podcullis_bundle_info"]; len(info) != 2 || info[1] != "v1" {
		t.Errorf("podcullis_bundle_info has %q", info)
	}
	delete(got, "podcullis_bundle_info")
	want := map[string][]string{
		"podcullis_model_objects":                       {"namespaces", "netpols", "pods", "workloads"},
		"podcullis_access_questions_total":              {"allowed", "denied", "error"},
		"podcullis_audit_reports_total":                 {"deleted", "failed", "written"},
		"podcullis_audit_rounds_total":                  {"complete", "incomplete"},
		"podcullis_custom_resources":                    {"Exemption", "InForce", "Exemption", "Invalid", "Guardrail", "InForce", "Guardrail", "Invalid"},
		"podcullis_claims_total":                        {"believed", "failed", "refused"},
		"podcullis_custom_resource_status_writes_total": {"failed", "written"},
		"podcullis_ledger_commits_total":                {"barrier", "behind", "busy", "crowded", "failed", "foreign", "full", "refused", "unavailable", "written"},
		"podcullis_ledger_retries_total":                {"barrier", "behind", "busy", "crowded", "depends", "failed", "foreign", "full", "unavailable"},
		"podcullis_ledger_waits_total":                  {"over", "settled"},
		"podcullis_owner_waits_total":                   {"missing", "seen"},
		"podcullis_rejected_requests_total":             {"bad_request", "body_too_large", "not_ready", "overloaded", "slow_body"},
		"podcullis_reloads_total":                       {"failure", "success"},
		"podcullis_seen_events_total":                   {"created", "dropped", "exists", "failed"},
		"podcullis_bundle_failures_total":               {"broken", "invalid", "key", "manifest", "older", "restart", "scope", "signature", "slow", "storage", "tampered", "too_large", "unreachable", "unsigned"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func repositoryFile(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// docs/metrics.md lists each metric that there is, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(podcullis_\\w+)`").FindAllStringSubmatch(repositoryFile(t, "docs", "metrics.md"), -1) {
		documented[m[1]] = true
	}
	if diff := cmp.Diff(metricsOf(t), slices.Sorted(maps.Keys(documented))); diff != "" {
		t.Errorf("-server +docs/metrics.md:\n%s", diff)
	}
}

// An alert or a panel on a metric that is not there never says anything.
func TestAlertsAndDashboardAskForMetricsThatThereAre(t *testing.T) {
	known := metricsOf(t)
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		used := regexp.MustCompile(`podcullis_\w+`).FindAllString(repositoryFile(t, "charts", "podcullis", "files", file), -1)
		for _, name := range used {
			if name = strings.TrimSuffix(name, "_bucket"); !slices.Contains(known, name) {
				t.Errorf("%s asks for %s, which there is not", file, name)
			}
		}
		if len(used) == 0 {
			t.Errorf("%s asks for none of our metrics", file)
		}
	}
}

// Each alert has a page that says what to do, and is in the table of docs/metrics.md.
func TestAlertsHaveRunbooks(t *testing.T) {
	var alerts []struct {
		Alert string `json:"alert"`
	}
	if err := yaml.Unmarshal([]byte(repositoryFile(t, "charts", "podcullis", "files", "alerts.yaml")), &alerts); err != nil {
		t.Fatal(err)
	}
	var names, pages []string
	table := repositoryFile(t, "docs", "metrics.md")
	for _, a := range alerts {
		names = append(names, a.Alert)
		if !strings.Contains(table, "(runbooks/"+a.Alert+".md)") {
			t.Errorf("docs/metrics.md does not link to the runbook of %s", a.Alert)
		}
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		pages = append(pages, strings.TrimSuffix(filepath.Base(file), ".md"))
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, pages); diff != "" {
		t.Errorf("-alerts +docs/runbooks:\n%s", diff)
	}
}
