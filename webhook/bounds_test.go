package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
)

// What is over a bound is refused; who makes a stored one smaller, or changes nothing of
// it that counts, or deletes it, is not.
func TestChangesOfWhatIsOverABound(t *testing.T) {
	bounds := cluster.Bounds{Netpol: 100, Object: 10}
	netpol := func(peers int, more string) string {
		return fmt.Sprintf(`{"metadata":{"name":"n","namespace":"shop"%s},"spec":{"podSelector":{"matchLabels":{"app":"db"}},"policyTypes":["Ingress"],"ingress":[{"from":[%s]}]}}`,
			more, strings.TrimSuffix(strings.Repeat(`{"podSelector":{}},`, peers), ","))
	}
	pod := func(labels int, value string) string {
		var all []string
		for i := range labels {
			all = append(all, fmt.Sprintf(`"k%d":%q`, i, value))
		}
		return fmt.Sprintf(`{"metadata":{"name":"p","namespace":"shop","labels":{%s}}}`, strings.Join(all, ","))
	}
	other := strings.Replace(netpol(101, ""), `{"podSelector":{}}`, `{"namespaceSelector":{}}`, 1)
	tests := map[string]struct {
		kind, before, after string
		refused             string // what the refusal says
	}{
		"CreateNetpol":          {"NetworkPolicy", "", netpol(101, ""), "request.object: spec: Forbidden: 101 peers, and at most 100 are read"},
		"GrowNetpol":            {"NetworkPolicy", netpol(99, ""), netpol(101, ""), "101 peers"},
		"GrowAGiant":            {"NetworkPolicy", netpol(101, ""), netpol(102, ""), "102 peers"},
		"ChangeAGiant":          {"NetworkPolicy", netpol(101, ""), other, "101 peers"},
		"AnnotateAGiant":        {"NetworkPolicy", netpol(101, ""), netpol(101, `,"annotations":{"a":"b"}`), ""},
		"FinalizeAGiant":        {"NetworkPolicy", netpol(101, ""), netpol(101, `,"finalizers":["a/b"]`), ""},
		"ShrinkAGiant":          {"NetworkPolicy", netpol(105, ""), netpol(103, ""), ""},
		"MakeAGiantSmall":       {"NetworkPolicy", netpol(105, ""), netpol(5, ""), ""},
		"DeleteAGiant":          {"NetworkPolicy", netpol(105, ""), "", ""},
		"CreatePod":             {"Pod", "", pod(11, "a"), "request.object: metadata.labels: Forbidden: 11 labels, and at most 10 are read"},
		"RelabelAGiantPod":      {"Pod", pod(11, "a"), pod(11, "b"), "11 labels"},
		"LeaveAGiantPodAlone":   {"Pod", pod(11, "a"), pod(11, "a"), ""},
		"MakeAGiantPodSmall":    {"Pod", pod(11, "a"), pod(10, "a"), ""},
		"RelabelGiantNamespace": {"Namespace", strings.Replace(pod(11, "a"), `,"namespace":"shop"`, "", 1), strings.Replace(pod(11, "b"), `,"namespace":"shop"`, "", 1), "12 labels"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			kind := metav1.GroupVersionKind{Version: "v1", Kind: test.kind}
			if test.kind == "NetworkPolicy" {
				kind.Group = "networking.k8s.io"
			}
			r := &admissionv1.AdmissionRequest{Kind: kind, Namespace: "shop", Operation: admissionv1.Update}
			if test.kind == "Namespace" {
				r.Namespace = ""
			}
			switch {
			case test.before == "":
				r.Operation = admissionv1.Create
			case test.after == "":
				r.Operation = admissionv1.Delete
			}
			if test.before != "" {
				r.OldObject = runtime.RawExtension{Raw: json.RawMessage(test.before)}
			}
			if test.after != "" {
				r.Object = runtime.RawExtension{Raw: json.RawMessage(test.after)}
			}
			_, err := changeFrom(r, &cluster.Snapshot{}, time.Now(), bounds)
			if test.refused == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)) {
				t.Errorf("got %v, want a refusal that says %q", err, test.refused)
			}
		})
	}
}
