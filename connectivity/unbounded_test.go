package connectivity_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// db is isolated, old is open to every namespace, bare is not isolated.
func TestBecomeUnbounded(t *testing.T) {
	every := `{from: [{namespaceSelector: {}}], ports: [{port: 80}]}`
	tests := map[string]struct {
		netpol string // shop/a, new
		more   []cluster.Change
		by     []connectivity.Breadth
		many   int
		want   []string
	}{
		"EveryNamespace":             {netpol: `{podSelector: {matchLabels: {app: db}}, ingress: [` + every + `]}`, want: []string{"db ingress namespaces TCP 80 a/0", "db ingress ports TCP 80 a/0"}},
		"ThroughAnEmptyPeerList":     {netpol: `{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 80}]}]}`, want: []string{"db ingress namespaces TCP 80 a/0", "db ingress addresses TCP 80 a/0", "db ingress ports TCP 80 a/0"}},
		"LabelledPods":               {netpol: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}], ports: [{port: 80}]}]}`, want: []string{"db ingress labels TCP 80 a/0", "db ingress ports TCP 80 a/0"}},
		"OwnNamespaceOnly":           {netpol: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 5432}]}]}`},
		"AnotherPortOfWhoWasOpen":    {netpol: `{podSelector: {matchLabels: {app: old}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 81}]}]}`, want: []string{"old ingress namespaces TCP 80-81 a/0 old/0", "old ingress ports TCP 80-81 a/0 old/0"}},
		"TheSamePortOfWhoWasOpen":    {netpol: `{podSelector: {matchLabels: {app: old}}, ingress: [` + every + `]}`},
		"IsolatedForTheFirstTime":    {netpol: `{podSelector: {matchLabels: {app: bare}}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}`},
		"HalvesInTwoRules":           {netpol: `{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/2}}]}, {to: [{ipBlock: {cidr: 64.0.0.0/2}}], ports: [{port: 1}]}]}`, want: []string{"db egress addresses all ports a/0 a/1"}},
		"FewPorts":                   {netpol: `{podSelector: {matchLabels: {app: db}}, ingress: [` + every + `]}`, by: []connectivity.Breadth{connectivity.EveryPod}, many: 2},
		"PortsOfTwoRules":            {netpol: `{podSelector: {matchLabels: {app: db}}, ingress: [` + every + `, {from: [{namespaceSelector: {}}], ports: [{port: 81}]}]}`, by: []connectivity.Breadth{connectivity.EveryPod}, many: 2, want: []string{"db ingress namespaces TCP 80-81 a/0 a/1"}},
		"APortWithAName":             {netpol: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: http}]}]}`, want: []string{"db ingress namespaces no port http/TCP a/0"}},
		"APortThatNobodyDeclares":    {netpol: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 5432, endPort: 5433}]}]}`, want: []string{"db ingress ports TCP 5433 a/0"}},
		"AManyPortsOfWhoDeclareNone": {netpol: `{podSelector: {matchLabels: {app: old}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 1, endPort: 1000}]}]}`, by: []connectivity.Breadth{connectivity.UndeclaredPorts}, many: 1000, want: []string{"old ingress ports TCP 1-1000 a/0 old/0"}},
		"ALabelThatAnOldOneSelects":  {more: clustertest.Create(t, clustertest.Pod("shop/probe", clustertest.Labels("app=old"))), by: []connectivity.Breadth{connectivity.EveryPod}, want: []string{"probe new ingress namespaces TCP 80 old/0"}},
		"NewAndNotIsolated":          {more: clustertest.Create(t, clustertest.Deployment("shop/x", clustertest.Labels("app=x"))), by: []connectivity.Breadth{connectivity.WithoutIsolation}, want: []string{"x new ingress notIsolated all ports", "x new egress notIsolated all ports"}},
		"OnTheNetworkOfTheHost":      {more: clustertest.Create(t, clustertest.Deployment("shop/x", clustertest.HostNetwork())), want: []string{"x new ingress hostNetwork all ports"}},
		"AnException":                {netpol: `{podSelector: {matchLabels: {app: ours}}, ingress: [{}]}`},
		"NobodyIsSelected":           {netpol: `{podSelector: {matchLabels: {app: none}}, ingress: [{}]}`},
	}
	ours, err := selector.New(metav1.LabelSelector{MatchLabels: map[string]string{"app": "ours"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := clustertest.Snapshot(t, clustertest.Namespace("shop"),
				clustertest.StatefulSet("shop/db", clustertest.Labels("app=db"), clustertest.Port("", 5432, corev1.ProtocolTCP)),
				clustertest.Deployment("shop/old", clustertest.Labels("app=old")),
				clustertest.Deployment("shop/bare", clustertest.Labels("app=bare")),
				clustertest.Deployment("shop/ours", clustertest.Labels("app=ours")),
				clustertest.Netpol("shop/deny", `{podSelector: {matchExpressions: [{key: app, operator: In, values: [db, old, ours]}]}, policyTypes: [Ingress, Egress]}`),
				clustertest.Netpol("shop/old", `{podSelector: {matchLabels: {app: old}}, ingress: [`+every+`]}`))
			after := clustertest.Apply(t, before, test.more...)
			if test.netpol != "" {
				after = clustertest.Apply(t, after, cluster.Change{After: clustertest.Object(t, clustertest.Netpol("shop/a", test.netpol))})
			}
			q := connectivity.UnboundedQuery{
				Which: connectivity.Everyone(), Except: []connectivity.Selection{{Namespaces: selector.Everything(), Pods: ours}},
				Directions: []cluster.Direction{cluster.Ingress, cluster.Egress}, By: test.by, ManyPorts: test.many,
			}
			if q.By == nil {
				q.By = slices.DeleteFunc(connectivity.Breadths(), func(b connectivity.Breadth) bool { return b == connectivity.WithoutIsolation })
			}
			var got []string
			for _, x := range connectivity.BecomeUnbounded(before, after, q, connectivity.Options{}) {
				text := x.Workload.Name
				if x.New {
					text += " new"
				}
				text += fmt.Sprintf(" %s %s %s", x.Direction, x.By, x.Ports)
				for _, n := range x.Named {
					text += " " + n
				}
				for _, r := range x.Rules {
					text += fmt.Sprintf(" %s/%d", r.Netpol.Name, r.Rule)
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// And what was open so before is nobody's doing.
			if again := connectivity.BecomeUnbounded(after, clustertest.Apply(t, after, cluster.Change{After: clustertest.Object(t, clustertest.Netpol("shop/deny", `{podSelector: {matchExpressions: [{key: app, operator: In, values: [ours, db, old]}]}, policyTypes: [Ingress, Egress]}`))}), q, connectivity.Options{}); len(again) > 0 {
				t.Errorf("an edit that means the same opens %v", again)
			}
		})
	}
}
