package cluster_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

func TestIdle(t *testing.T) {
	pod := clustertest.Pod("shop/web", clustertest.Labels("app=web"))
	annotated := pod.DeepCopy()
	annotated.Annotations = map[string]string{"a": "b"}
	netpol := clustertest.Netpol("shop/n", `{podSelector: {matchLabels: {app: db}}}`)
	tests := map[string]struct {
		reason        string
		before, after runtime.Object
		want          bool
	}{
		"Annotation":       {"no netpol looks at it", pod, annotated, true},
		"Address":          {"no request decides it", pod, clustertest.Pod("shop/web", clustertest.Labels("app=web"), clustertest.IP("10.0.0.1")), true},
		"Label":            {"selectors look at labels", pod, clustertest.Pod("shop/web", clustertest.Labels("app=db")), false},
		"Owner":            {"it may be folded otherwise", pod, clustertest.Pod("shop/web", clustertest.Labels("app=web"), clustertest.ControlledBy("ReplicaSet/x")), false},
		"Phase":            {"it is gone", pod, clustertest.Pod("shop/web", clustertest.Labels("app=web"), clustertest.Phase("Failed")), false},
		"NamespaceSame":    {"", clustertest.Namespace("shop", "a=b"), clustertest.Namespace("shop", "a=b"), true},
		"NamespaceLabel":   {"", clustertest.Namespace("shop", "a=b"), clustertest.Namespace("shop", "a=c"), false},
		"NetpolSame":       {"", netpol, clustertest.Netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: []}`), true},
		"NetpolRule":       {"", netpol, clustertest.Netpol("shop/n", `{podSelector: {matchLabels: {app: db}}, ingress: [{}]}`), false},
		"BrokenSelectors":  {"what cannot be read is not the same", clustertest.Netpol("shop/n", `{podSelector: {matchExpressions: [{key: a, operator: X}]}}`), clustertest.Netpol("shop/n", `{podSelector: {matchExpressions: [{key: b, operator: X}]}}`), false},
		"TemplateLabel":    {"", clustertest.Deployment("shop/w", clustertest.Labels("a=b")), clustertest.Deployment("shop/w", clustertest.Labels("a=c")), false},
		"TemplateSame":     {"", clustertest.Deployment("shop/w", clustertest.Labels("a=b")), clustertest.Deployment("shop/w", clustertest.Labels("a=b")), true},
		"TemplateHostPort": {"a name may resolve otherwise", clustertest.Deployment("shop/w"), clustertest.Deployment("shop/w", clustertest.Port("http", 80, "")), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := clustertest.Update(t, tt.before, tt.after).Idle(); got != tt.want {
				t.Errorf("%s: got %v, want %v", tt.reason, got, tt.want)
			}
		})
	}
	object := clustertest.Object(t, pod)
	if (cluster.Change{After: object}).Idle() || (cluster.Change{Before: object}).Idle() {
		t.Error("a create and a delete are never idle")
	}
}
