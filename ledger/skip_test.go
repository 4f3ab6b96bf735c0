package ledger_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/ledger"
)

func TestSkips(t *testing.T) {
	controller := func(kind, version, name string) clustertest.Option {
		yes := true
		return clustertest.OwnedBy(metav1.OwnerReference{APIVersion: version, Kind: kind, Name: name, UID: "u-1", Controller: &yes})
	}
	hash := clustertest.Labels("app=web", "pod-template-hash=1")
	rs := clustertest.ReplicaSet("shop/web-1", hash, clustertest.UID("u-1"))
	pod := clustertest.Pod("shop/web-1-x", hash, controller("ReplicaSet", "apps/v1", "web-1"))
	alike := clustertest.Pod("shop/old", hash)
	touching := func(op ledger.Operation, name string) ledger.View {
		return ledger.View{Entries: []ledger.Entry{{ID: 1, Ref: cluster.Ref{Namespace: "shop", Kind: "ReplicaSet", Name: name}, Operation: op}}}
	}
	tests := map[string]struct {
		stored []runtime.Object
		pod    runtime.Object
		view   ledger.View
		want   bool
	}{
		"OfATemplateThatIsThere":    {[]runtime.Object{rs}, pod, ledger.View{}, true},
		"TemplateNotThereYet":       {nil, pod, ledger.View{}, false},
		"APodThatIsThereIsNoReason": {[]runtime.Object{alike}, pod, ledger.View{}, false},
		"BarePod":                   {[]runtime.Object{rs}, clustertest.Pod("shop/bare", hash), ledger.View{}, false},
		"OneLabelMore":              {[]runtime.Object{rs}, clustertest.Pod("shop/x", hash, clustertest.Labels("role=db"), controller("ReplicaSet", "apps/v1", "web-1")), ledger.View{}, false},
		"HostNetwork":               {[]runtime.Object{rs}, clustertest.Pod("shop/x", hash, clustertest.HostNetwork(), controller("ReplicaSet", "apps/v1", "web-1")), ledger.View{}, false},
		"OfACustomResource":         {[]runtime.Object{rs}, clustertest.Pod("shop/x", hash, controller("Web", "example.com/v1", "web-1")), ledger.View{}, false},
		"ItsTemplateChanges":        {[]runtime.Object{rs}, pod, touching(ledger.Update, "web-1"), false},
		"ItsTemplateGoes":           {[]runtime.Object{rs}, pod, touching(ledger.Delete, "web-1"), false},
		"AnotherTemplateChanges":    {[]runtime.Object{rs}, pod, touching(ledger.Update, "web-2"), true},
		"WhatItWasMayAppear":        {[]runtime.Object{rs}, pod, touching(ledger.Appear, "web-1"), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			after := clustertest.Apply(t, clustertest.Snapshot(t, tt.stored...), clustertest.Create(t, tt.pod)...)
			p, ok := clustertest.Object(t, tt.pod).(*cluster.Pod)
			if !ok {
				t.Fatal("no pod")
			}
			if got := ledger.Skips(after, p, tt.view); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
