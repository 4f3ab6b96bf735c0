package policyreport

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

const (
	// MaxResults bounds what one report lists: it is one object in etcd, which takes
	// 1.5 MB. The rest is counted.
	MaxResults = 500
	// maxMessage bounds one message, in bytes.
	maxMessage = 1000
	// Name is what reports are called, Source who they say makes them.
	Name   = "podcullis"
	Source = "podcullis"
	// category is as Kubernetes' own policy catalogues have it.
	category = "Network Policies"
)

// API is one that dashboards read reports from.
type API struct {
	schema.GroupVersion
	// Namespaced and Cluster are the kinds, with their resources.
	Namespaced, Cluster                 string
	NamespacedResource, ClusterResource string
	// reduced is set where a report as a whole has neither a source nor a configuration.
	reduced bool
}

// OpenReports is openreports.io/v1alpha1.
func OpenReports() API {
	group := schema.GroupVersion{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version}
	return API{group, "Report", "ClusterReport", "reports", "clusterreports", false}
}

// PolicyReports is wgpolicyk8s.io/v1alpha2, which was before. All else in it is alike.
func PolicyReports() API {
	group := schema.GroupVersion{Group: "wgpolicyk8s.io", Version: "v1alpha2"}
	return API{group, "PolicyReport", "ClusterPolicyReport", "policyreports", "clusterpolicyreports", true}
}

// Object is the report of one namespace, or of the cluster where that is empty. since says
// when something was found.
func (a API) Object(namespace string, t *Tally, since func(fingerprint string) time.Time) (*unstructured.Unstructured, error) {
	r := v1alpha1.Report{
		TypeMeta: metav1.TypeMeta{APIVersion: a.String(), Kind: a.Namespaced},
		ObjectMeta: metav1.ObjectMeta{
			Name: Name, Namespace: namespace,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "podcullis"},
		},
		Source:        Source,
		Configuration: &v1alpha1.ReportConfiguration{Limits: v1alpha1.Limits{MaxResults: MaxResults, StatusFilter: []v1alpha1.StatusFilter{"fail", "warn"}}},
		Summary:       v1alpha1.ReportSummary{Fail: t.Fail, Warn: t.Warn},
		Results:       []v1alpha1.ReportResult{},
	}
	if namespace == "" {
		r.Kind = a.Cluster
	} else {
		r.Scope = &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: namespace}
	}
	entries := t.Listed()
	var newest time.Time
	for _, e := range entries {
		at := since(e.Fingerprint)
		if at.After(newest) {
			newest = at
		}
		r.Results = append(r.Results, e.result(at))
	}
	if n := t.Fail + t.Warn - len(entries); n > 0 {
		r.Annotations = map[string]string{"podcullis.io/left-out": strconv.Itoa(n)}
		r.Results = append(r.Results, v1alpha1.ReportResult{
			Source: Source, Policy: "podcullis", Rule: "left-out", Category: category, Severity: info, Result: "warn", Timestamp: stamp(newest),
			Description: fmt.Sprintf("and %d more that are not listed here: a report lists %d; podcullis audit lists all", n, MaxResults),
		})
	}
	return a.shaped(r)
}

// shaped is the report as the API has it.
func (a API) shaped(r v1alpha1.Report) (*unstructured.Unstructured, error) {
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

func (e *Entry) result(at time.Time) v1alpha1.ReportResult {
	out := v1alpha1.ReportResult{
		Source: Source, Policy: e.Guardrail, Rule: e.Rule, Category: category,
		Severity: v1alpha1.ResultSeverity(e.Severity), Result: "warn", Timestamp: stamp(at),
		Description: guardrail.Cut(e.Message, maxMessage),
		Properties:  map[string]string{"action": string(e.Action), "fingerprint": e.Fingerprint},
	}
	if e.fails() {
		out.Result, out.Scored = "fail", true
	}
	if e.Object != (cluster.Ref{}) {
		out.Subjects = []corev1.ObjectReference{{APIVersion: apiOf(e.Object.Kind), Kind: e.Object.Kind, Namespace: e.Object.Namespace, Name: e.Object.Name}}
	} else {
		out.Properties["subject"] = guardrail.Cut(e.Subject, maxMessage)
	}
	if e.Owner != "" {
		out.Properties["owner"] = e.Owner
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
