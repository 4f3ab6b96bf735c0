package shelf

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policyreport"
	"github.com/podcullis/podcullis/test/controlplane"
)

func tallies(n, namespaces int, message string) policyreport.Tallies {
	out := policyreport.Tallies{}
	for i := range n {
		out.Add(policyreport.Entry{
			Guardrail: "isolated", Rule: "default-deny", Action: guardrail.Deny, Severity: "high", Message: message, Fingerprint: guardrail.Fingerprint(fmt.Sprint(i)),
			Object: cluster.Ref{Namespace: fmt.Sprintf("team-%d", i%namespaces), Kind: "Pod", Name: fmt.Sprintf("pod-%s-%d", strings.Repeat("p", 200), i)},
		})
	}
	return out
}

// The real API server takes the reports of a hundred thousand findings, is asked to write
// nothing that has not changed, and has none left when all is mended.
func TestKeep(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{})
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/openreports/reports-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	shelf := func(kind string) *Shelf {
		s, err := New(plane.REST(), Options{Kind: kind, Registry: prometheus.NewRegistry(), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	written := func(s *Shelf, result string) int { return int(testutil.ToFloat64(s.written.WithLabelValues(result))) }
	const namespaces = 4
	for i := range namespaces {
		if err := plane.CreateNamespace(t.Context(), fmt.Sprintf("team-%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	many := tallies(100_000, namespaces, strings.Repeat("ü", 5000))

	if err := shelf(Auto).Keep(t.Context(), many); err != nil {
		t.Errorf("nothing is served, and that is fine: %v", err)
	}
	if err := shelf(OpenReports).Keep(t.Context(), many); err == nil || !strings.Contains(err.Error(), "openreports.io/v1alpha1") {
		t.Errorf("what was asked for is not served: %v", err)
	}
	if _, _, err := plane.Kubectl(t.Context(), "", "apply", "--server-side", "-f", filepath.Join(strings.TrimSpace(string(dir)), "config", "crd")); err != nil {
		t.Fatal(err)
	}
	if err := controlplane.Await(t.Context(), "reports to be served", func(ctx context.Context) error {
		_, _, err := plane.Kubectl(ctx, "", "get", "reports,clusterreports", "-A")
		return err
	}); err != nil {
		t.Fatal(err)
	}

	s := shelf(Auto)
	if err := s.Keep(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	read := func() v1alpha1.Report {
		text, _, err := plane.Kubectl(t.Context(), "", "get", "reports", "podcullis", "-n", "team-1", "-o", "json")
		if err != nil {
			t.Fatal(err)
		}
		var r v1alpha1.Report
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := read()
	if r.Summary.Fail != 25_000 || len(r.Results) != policyreport.MaxResults || r.Annotations["podcullis.io/left-out"] != "24501" {
		t.Errorf("%+v, %d results, annotations %v", r.Summary, len(r.Results), r.Annotations)
	}
	if n := written(s, "written"); n != namespaces {
		t.Errorf("%d written", n)
	}

	// The same again, of this replica and of one that starts: nothing is written, and what
	// was known since then stays so.
	now = now.Add(time.Hour)
	later := shelf(Auto)
	for _, s := range []*Shelf{s, later} {
		if err := s.Keep(t.Context(), many); err != nil {
			t.Fatal(err)
		}
	}
	if n := written(s, "written"); n != namespaces || written(later, "written") != 0 {
		t.Errorf("%d and %d written", n, written(later, "written"))
	}
	if again := read(); again.Generation != r.Generation || again.ResourceVersion != r.ResourceVersion {
		t.Error("what had not changed was written")
	}

	// Somebody who may write reports makes ours say that nothing is wrong.
	if _, _, err := plane.Kubectl(t.Context(), "", "patch", "reports", "podcullis", "-n", "team-1", "--type=merge", "-p", `{"results": [], "summary": {"fail": 0}}`); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Hour)
	if err := later.Keep(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	if r := read(); r.Summary.Fail != 25_000 || len(r.Results) != policyreport.MaxResults {
		t.Errorf("it says %+v", r.Summary)
	}

	// One more in one namespace: one report.
	some := tallies(8, namespaces, "one")
	if err := later.Keep(t.Context(), some); err != nil {
		t.Fatal(err)
	}
	some.Add(policyreport.Entry{Guardrail: "other", Rule: "r", Action: guardrail.Warn, Severity: "low", Fingerprint: "new", Message: "two", Object: cluster.Ref{Namespace: "team-1", Kind: "Pod", Name: "x"}})
	some.Add(policyreport.Entry{Guardrail: "gone", Rule: "r", Action: guardrail.Warn, Severity: "low", Message: "of a namespace that has gone", Object: cluster.Ref{Namespace: "no-such", Kind: "Pod", Name: "x"}})
	before := written(later, "written")
	if err := later.Keep(t.Context(), some); err != nil {
		t.Errorf("a namespace that is no more is no failure: %v", err)
	}
	if n := written(later, "written") - before; n != 1 {
		t.Errorf("%d written for one change", n)
	}
	r = read()
	if r.Summary.Fail != 2 || r.Summary.Warn != 1 || r.Results[0].Timestamp.Seconds < 1_800_000_000 || r.Results[2].Timestamp.Seconds != now.Unix() {
		t.Errorf("%+v: %+v", r.Summary, r.Results)
	}

	// One of the cluster, and then nothing.
	if err := later.Keep(t.Context(), policyreport.Tallies{"": some["team-1"]}); err != nil {
		t.Fatal(err)
	}
	if out, _, err := plane.Kubectl(t.Context(), "", "get", "reports,clusterreports", "-A", "-o", "name"); err != nil || strings.TrimSpace(out) != "clusterreport.openreports.io/podcullis" {
		t.Errorf("left: %s, %v", out, err)
	}
	if err := later.Keep(t.Context(), policyreport.Tallies{}); err != nil {
		t.Fatal(err)
	}
	if out, _, err := plane.Kubectl(t.Context(), "", "get", "reports,clusterreports", "-A", "-o", "name"); err != nil || out != "" {
		t.Errorf("left: %s, %v", out, err)
	}
}
