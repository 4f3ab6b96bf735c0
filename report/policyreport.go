package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

const (
	// MaxReportResults bounds what one report lists: it is one object in etcd, which takes
	// 1.5 MB. The rest is counted.
	MaxReportResults = 500
	// maxReportMessage bounds one message, in bytes.
	maxReportMessage = 1000
	// ReportName is what reports are called, ReportSource who they say makes them.
	ReportName   = "podcullis"
	ReportSource = "podcullis"
	// category is as Kubernetes' own policy catalogues have it.
	category = "Network Policies"
)

// ReportAPI is one that dashboards read reports from.
type ReportAPI struct {
	schema.GroupVersion
	// Namespaced and Cluster are the kinds, with their resources.
	Namespaced, Cluster                 string
	NamespacedResource, ClusterResource string
	// reduced is set where a report as a whole has neither a source nor a configuration.
	reduced bool
}

// OpenReports is openreports.io/v1alpha1.
func OpenReports() ReportAPI {
	group := schema.GroupVersion{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version}
	return ReportAPI{group, "Report", "ClusterReport", "reports", "clusterreports", false}
}

// PolicyReports is wgpolicyk8s.io/v1alpha2, which was before. All else in it is alike.
func PolicyReports() ReportAPI {
	group := schema.GroupVersion{Group: "wgpolicyk8s.io", Version: "v1alpha2"}
	return ReportAPI{group, "PolicyReport", "ClusterPolicyReport", "policyreports", "clusterpolicyreports", true}
}

// Tally is what is wrong in one namespace, or beside all: at most as much as a report may
// list, the worst first, and how much there is.
type Tally struct {
	Entries    []Entry
	Fail, Warn int
}

// LeftOut is how many are counted and not listed.
func (t *Tally) LeftOut() int { return t.Fail + t.Warn - len(t.Entries) }

// Tallies sorts entries by the namespace that they are about. Nothing is kept that no
// report could list; what is exempted is no failure.
func Tallies(entries []Entry) map[string]*Tally {
	out := map[string]*Tally{}
	for _, e := range worstFirst(entries) {
		if e.Remark() && e.ID == isExempted {
			continue
		}
		namespace := e.Object.Namespace
		t := out[namespace]
		if t == nil {
			t = &Tally{}
			out[namespace] = t
		}
		if e.fails() {
			t.Fail++
		} else {
			t.Warn++
		}
		if len(t.Entries) < MaxReportResults {
			t.Entries = append(t.Entries, e)
		}
	}
	for _, t := range out {
		if t.LeftOut() > 0 && len(t.Entries) == MaxReportResults {
			t.Entries = t.Entries[:MaxReportResults-1] // the last place says how many are not listed
		}
	}
	return out
}

func (e *Entry) fails() bool { return !e.Remark() && e.Action == guardrail.Deny }

// Object is the report of one namespace, or of the cluster where that is empty.
func (a ReportAPI) Object(namespace string, t *Tally, at time.Time) (*unstructured.Unstructured, error) {
	r := v1alpha1.Report{
		TypeMeta: metav1.TypeMeta{APIVersion: a.String(), Kind: a.Namespaced},
		ObjectMeta: metav1.ObjectMeta{
			Name: ReportName, Namespace: namespace,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "podcullis"},
		},
		Source:        ReportSource,
		Configuration: &v1alpha1.ReportConfiguration{Limits: v1alpha1.Limits{MaxResults: MaxReportResults, StatusFilter: []v1alpha1.StatusFilter{"fail", "warn"}}},
		Summary:       v1alpha1.ReportSummary{Fail: t.Fail, Warn: t.Warn},
		Results:       []v1alpha1.ReportResult{},
	}
	if namespace == "" {
		r.Kind = a.Cluster
	} else {
		r.Scope = &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: namespace}
	}
	for _, e := range t.Entries {
		r.Results = append(r.Results, e.reportResult(at))
	}
	if n := t.LeftOut(); n > 0 {
		r.Annotations = map[string]string{"podcullis.io/left-out": strconv.Itoa(n)}
		r.Results = append(r.Results, v1alpha1.ReportResult{
			Source: ReportSource, Policy: "podcullis", Rule: "left-out", Category: category, Severity: severityInfo, Result: "warn", Timestamp: stamp(at),
			Description: fmt.Sprintf("and %d more that are not listed here: a report lists %d; podcullis audit lists all", n, MaxReportResults),
		})
	}
	return a.shaped(r)
}

// shaped is the report as the API has it.
func (a ReportAPI) shaped(r v1alpha1.Report) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	out := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &out.Object); err != nil {
		return nil, err
	}
	unstructured.RemoveNestedField(out.Object, "metadata", "creationTimestamp")
	if a.reduced {
		delete(out.Object, "source")
		delete(out.Object, "configuration")
	}
	return out, nil
}

func (e *Entry) reportResult(at time.Time) v1alpha1.ReportResult {
	out := v1alpha1.ReportResult{
		Source: ReportSource, Policy: e.ID, Rule: e.Rule, Category: category,
		Severity: v1alpha1.ResultSeverity(e.Severity), Result: "warn", Timestamp: stamp(at),
		Description: cut(strings.Join(lines(e.Message), "\n"), maxReportMessage),
		Properties:  map[string]string{"action": string(e.Action), "fingerprint": e.Fingerprint},
	}
	if e.fails() {
		out.Result, out.Scored = "fail", true
	}
	if e.Object != (cluster.Ref{}) {
		out.Subjects = []corev1.ObjectReference{{APIVersion: apiOf(e.Object.Kind), Kind: e.Object.Kind, Namespace: e.Object.Namespace, Name: e.Object.Name}}
	} else {
		out.Properties["subject"] = cut(line(e.Subject), maxReportMessage)
	}
	if e.About.Owner != "" {
		out.Properties["owner"] = e.About.Owner
	}
	return out
}

// apiOf is the API version of a kind that Kubernetes has. That of another, whose kind
// carries its group, nobody has said.
func apiOf(kind string) string {
	switch {
	case strings.Contains(kind, "."):
		return ""
	case kind == "NetworkPolicy":
		return "networking.k8s.io/v1"
	case slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, kind):
		return "apps/v1"
	case kind == "Job", kind == "CronJob":
		return "batch/v1"
	}
	return "v1"
}

func stamp(at time.Time) metav1.Timestamp {
	if at.IsZero() {
		return metav1.Timestamp{}
	}
	return metav1.Timestamp{Seconds: at.Unix()}
}

// cut shortens text to at most n bytes, at a rune's edge.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// reportsYAML writes a report for each namespace and one for the cluster, as YAML
// documents that kubectl applies.
func (r *Result) reportsYAML(w io.Writer, api ReportAPI, l Look) error {
	tallies := Tallies(r.Entries())
	if len(tallies) == 0 {
		tallies[""] = &Tally{} // which says that nothing was found
	}
	var namespaces []string
	for namespace := range tallies {
		namespaces = append(namespaces, namespace)
	}
	slices.SortFunc(namespaces, cmp.Compare)
	for _, namespace := range namespaces {
		o, err := api.Object(namespace, tallies[namespace], l.Time)
		if err != nil {
			return err
		}
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, "---\n"+string(text)); err != nil {
			return err
		}
	}
	return nil
}
