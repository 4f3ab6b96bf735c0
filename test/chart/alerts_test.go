package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// storyFiles are tests in the form of promtool: what Prometheus sees over time, and which
// alerts a person gets. They are for a release in the namespace of these tests.
const storyFiles = "testdata/alerts/*.yaml"

// stories is one of those files, as far as it is looked at here.
type stories struct {
	Tests []struct {
		Name          string   `json:"name"`
		InputSeries   []series `json:"input_series"`
		AlertRuleTest []struct {
			Alertname string           `json:"alertname"`
			ExpAlerts []map[string]any `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	} `json:"tests"`
}

type series struct {
	Series string `json:"series"`
}

// in reports whether an expression asks for the series.
func (s series) in(expr string) bool {
	name, _, _ := strings.Cut(s.Series, "{")
	return regexp.MustCompile(`\b` + name + `\b`).MatchString(expr)
}

// Every alert of the chart fires in one story and keeps silent in another.
func TestEveryAlertHasBothStories(t *testing.T) {
	exprs := map[string]string{}
	for _, a := range alertsOf(t, install(t, "prometheusRule: {enabled: true}")) {
		exprs[a.Alert] = a.Expr
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, file := range glob(t, storyFiles) {
		var s stories
		if err := yaml.Unmarshal(readFile(t, file), &s); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, story := range s.Tests {
			for _, asked := range story.AlertRuleTest {
				// Promtool takes an alert that there is not for one that keeps silent.
				expr, known := exprs[asked.Alertname]
				if !known {
					t.Errorf("%s: %s asks for %s, and the chart has no such alert", file, story.Name, asked.Alertname)
				}
				// So does it take an alert that looks at nothing of the story.
				if !slices.ContainsFunc(story.InputSeries, func(s series) bool { return s.in(expr) }) {
					t.Errorf("%s: %s shows nothing that %s looks at", file, story.Name, asked.Alertname)
				}
				if len(asked.ExpAlerts) > 0 {
					fires[asked.Alertname] = true
				} else {
					silent[asked.Alertname] = true
				}
			}
		}
	}
	for name := range exprs {
		if !fires[name] {
			t.Errorf("no story in %s in which %s fires", storyFiles, name)
		}
		if !silent[name] {
			t.Errorf("no story in %s in which %s keeps silent", storyFiles, name)
		}
	}
}

// The alerts are asked by Prometheus's own engine.
func TestAlertsTellTheStories(t *testing.T) {
	dir := t.TempDir()
	writeRules(t, filepath.Join(dir, "rules.yaml"), install(t, "prometheusRule: {enabled: true}"))
	for _, file := range glob(t, storyFiles) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			story := filepath.Join(dir, filepath.Base(file)) // beside rules.yaml, which it names
			if err := os.WriteFile(story, readFile(t, file), 0o600); err != nil {
				t.Fatal(err)
			}
			promtool(t, "test", "rules", story)
		})
	}
}

// Whatever the values are, Prometheus takes the rules.
func TestAlertsAreRulesOfPrometheus(t *testing.T) {
	tests := map[string]string{
		"Defaults":     "prometheusRule: {enabled: true}",
		"EverythingOn": everythingOn,
		"SmallNumbers": "prometheusRule: {enabled: true, slowSeconds: 0.00001, certificateDays: 1}",
		"LargeNumbers": "prometheusRule: {enabled: true, slowSeconds: 4.999, certificateDays: 10000000}",
	}
	for name, values := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "rules.yaml")
			writeRules(t, file, install(t, values))
			promtool(t, "check", "rules", "--lint-fatal", file)
		})
	}
}

// The file that is read and the object that is rendered have the same alerts, but for
// those that the values leave out.
func TestNoAlertIsLostInRendering(t *testing.T) {
	var written []alert
	if err := yaml.Unmarshal(readFile(t, filepath.Join(chartDir, "files", "alerts.yaml")), &written); err != nil {
		t.Fatal(err)
	}
	names := func(alerts []alert) (out []string) {
		for _, a := range alerts {
			out = append(out, a.Alert)
		}
		return out
	}
	want := names(written)
	if diff := cmp.Diff(want, names(alertsOf(t, install(t, "prometheusRule: {enabled: true}")))); diff != "" {
		t.Errorf("-alerts.yaml +rendered:\n%s", diff)
	}
	want = slices.DeleteFunc(want, func(name string) bool { return name == "PodcullisDown" })
	if diff := cmp.Diff(want, names(alertsOf(t, install(t, everythingOn)))); diff != "" {
		t.Errorf("without PodcullisDown, -alerts.yaml +rendered:\n%s", diff)
	}
}

func alertsOf(t *testing.T, r release) (out []alert) {
	t.Helper()
	for _, group := range one[*prometheusRule](t, r).Spec.Groups {
		out = append(out, group.Rules...)
	}
	return out
}

// writeRules writes what the Prometheus operator makes of the object.
func writeRules(t *testing.T, file string, r release) {
	t.Helper()
	for _, o := range r.objects {
		if o.kind != "PrometheusRule" {
			continue
		}
		var rule struct {
			Spec map[string]any `json:"spec"`
		}
		if err := yaml.Unmarshal(o.text, &rule); err != nil {
			t.Fatal(err)
		}
		text, err := yaml.Marshal(rule.Spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the chart renders no PrometheusRule")
}

// promtool fails the test with what promtool says.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		program, err = exec.LookPath("../../.cache/tools/promtool") // where .ci/run puts it
	}
	if err != nil {
		const hint = "no promtool: Debian has it in its package prometheus, .ci/run takes it from there"
		if os.Getenv("PODCULLIS_REQUIRE_PROMTOOL") == "1" {
			t.Fatal(hint)
		}
		t.Skip(hint + "; PODCULLIS_REQUIRE_PROMTOOL=1 makes this an error")
	}
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return files
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
