package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/internal/schematest"
	"github.com/podcullis/podcullis/policyreport"
	"github.com/podcullis/podcullis/report"
)

// reportSchema is that of the CustomResourceDefinition which the module of OpenReports
// ships. That of wgpolicyk8s.io is the same without what a report as a whole has more.
func reportSchema(t *testing.T, api policyreport.API, kind string) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/openreports/reports-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := map[bool]string{true: "openreports.io_clusterreports.yaml", false: "openreports.io_reports.yaml"}[strings.HasPrefix(kind, "Cluster")]
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "config", "crd", file))
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	doc := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	if api == policyreport.PolicyReports() {
		delete(doc["properties"].(map[string]any), "source")
		delete(doc["properties"].(map[string]any), "configuration")
	}
	doc["properties"].(map[string]any)["metadata"] = map[string]any{} // of every object
	schematest.Close(doc)                                             // an API server drops what is not there
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("crd.json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("crd.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The schema of the CustomResourceDefinitions takes what is written, and the types of
// OpenReports read it.
func TestReportsAreTaken(t *testing.T) {
	bad, _ := hostile()
	for name, r := range map[string]*report.Result{"Whole": whole(), "Hostile": bad, "Nothing": {}} {
		for _, f := range report.Formats() {
			api := map[string]policyreport.API{"policyreport": policyreport.PolicyReports(), "openreport": policyreport.OpenReports()}[f.Name]
			if api.Group == "" {
				continue
			}
			t.Run(name+"/"+f.Name, func(t *testing.T) {
				text := written(t, func(w io.Writer) error { return f.Write(r, w, look()) })
				listed := 0
				for doc := range strings.SplitSeq(strings.TrimPrefix(text, "---\n"), "\n---\n") {
					raw, err := yaml.YAMLToJSON([]byte(doc))
					if err != nil {
						t.Fatal(err)
					}
					var o v1alpha1.Report
					d := json.NewDecoder(bytes.NewReader(raw))
					d.DisallowUnknownFields()
					if err := d.Decode(&o); err != nil {
						t.Fatal(err)
					}
					parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
					if err != nil {
						t.Fatal(err)
					}
					if err := reportSchema(t, api, o.Kind).Validate(parsed); err != nil {
						t.Error(err)
					}
					if o.Summary.Fail+o.Summary.Warn != len(o.Results) || o.Name != policyreport.Name {
						t.Errorf("%s: %+v for %d results", o.Name, o.Summary, len(o.Results))
					}
					for _, result := range o.Results {
						if result.Source != policyreport.Source {
							t.Errorf("source %q", result.Source)
						}
					}
					listed += len(o.Results)
				}
				if want := len(r.Entries()) - len(r.Exempted); listed != want {
					t.Errorf("%d results, want %d: what is exempted is no failure", listed, want)
				}
			})
		}
	}
}

// However much is wrong, a report is an object that etcd takes.
func TestReportsAreBounded(t *testing.T) {
	long := strings.Repeat("ü", 5000)
	tallies := policyreport.Tallies{}
	for i := range 100_000 {
		tallies.Add(policyreport.Entry{
			Guardrail: "guardrail", Rule: "forbidden-paths", Action: guardrail.Deny, Severity: "high", Message: long, Fingerprint: fmt.Sprint(i),
			Object: cluster.Ref{Namespace: fmt.Sprintf("ns-%d", i%4), Kind: "Pod", Name: strings.Repeat("p", 253)},
			Owner:  strings.Repeat("ü", 80),
		})
	}
	if len(tallies) != 4 {
		t.Fatalf("%d reports", len(tallies))
	}
	for namespace, tally := range tallies {
		if tally.Fail != 25_000 || len(tally.Listed()) != policyreport.MaxResults-1 {
			t.Errorf("%d counted, %d listed", tally.Fail, len(tally.Listed()))
		}
		o, err := policyreport.OpenReports().Object(namespace, tally, func(string) time.Time { return time.Unix(1, 0) })
		if err != nil {
			t.Fatal(err)
		}
		text, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 1_200_000 {
			t.Errorf("%d bytes", len(text))
		}
		results, _ := o.Object["results"].([]any)
		if len(results) != policyreport.MaxResults || !strings.Contains(fmt.Sprint(results[len(results)-1]), "and 24501 more") {
			t.Errorf("%d results, the last one %v", len(results), results[len(results)-1])
		}
	}
}
