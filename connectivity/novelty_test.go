package connectivity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// What counts as opened although it was open, or unknown, before. The objects of
// change replace those of the same name.
func TestNovelty(t *testing.T) {
	const (
		fromWeb  = `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`
		fromAll  = `{podSelector: {matchLabels: {app: db}}, ingress: [{}]}`
		twoRules = `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: x}}}]}, {from: [{podSelector: {matchLabels: {app: web}}}]}]}`
		byBlock  = `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}`
		allPorts = "shop/Deployment/web -> shop/Deployment/db all ports"
		doubted  = allPorts + " unknown unmodelled-kind"
	)
	db := func(spec string) runtime.Object { return clustertest.Netpol("shop/db", spec) }
	web := func(name string, options ...clustertest.Option) runtime.Object {
		return clustertest.Pod("shop/"+name, append(options, clustertest.ControlledBy("Deployment/web"), clustertest.Labels("app=web"))...)
	}
	baseline := &cluster.Foreign{Group: "policy.networking.k8s.io", Kind: "BaselineAdminNetworkPolicy", Name: "default"}
	resource := func(name string, options ...clustertest.Option) runtime.Object {
		return clustertest.Pod("shop/"+name, append(options, clustertest.ControlledBy("Postgres/pg"), clustertest.Labels("app=web"))...)
	}
	cilium := &cluster.Foreign{Group: "cilium.io", Kind: "CiliumNetworkPolicy", Namespace: "shop", Name: "x"}
	in := func(namespace string) *cluster.Foreign {
		return &cluster.Foreign{Group: "security.istio.io", Kind: "AuthorizationPolicy", Namespace: namespace, Name: "x"}
	}
	tests := map[string]struct {
		reason  string
		foreign *cluster.Foreign
		had     []runtime.Object
		change  []runtime.Object
		deleted []runtime.Object
		want    []string
	}{
		"ANetpolInPlaceOfABaseline": {
			reason: "what the baseline kept shut is open", foreign: baseline,
			change: []runtime.Object{db(fromWeb)}, want: []string{doubted},
		},
		"WithoutAnotherAPI": {
			reason: "it was open, and is open",
			change: []runtime.Object{db(fromWeb)},
		},
		"WithAnotherAPIElsewhere": {
			reason: "it has no say about these pods", foreign: in("bank"),
			change: []runtime.Object{db(fromWeb)},
		},
		"InTheNamespaceOfTheChange": {
			reason: "what a default-deny of a mesh kept shut", foreign: in("shop"),
			change: []runtime.Object{db(fromWeb)}, want: []string{doubted},
		},
		"SomePortsOnly": {
			reason: "the others are shut by the netpol", foreign: baseline,
			change: []runtime.Object{db(`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}`)},
			want:   []string{"shop/Deployment/web -> shop/Deployment/db TCP 80 unknown unmodelled-kind"},
		},
		"RulesInAnotherOrder": {
			reason: "a rule's place is no reason", foreign: baseline,
			had:    []runtime.Object{db(twoRules)},
			change: []runtime.Object{db(fromWeb)},
		},
		"TheSameRuleUnderAnotherName": {
			reason: "nor is its netpol's name", foreign: baseline,
			had:    []runtime.Object{db(fromWeb)},
			change: []runtime.Object{clustertest.Netpol("shop/new", fromWeb)}, deleted: []runtime.Object{db(fromWeb)},
		},
		"ARuleThatSaysLess": {
			reason: "what shrinks passes", foreign: baseline,
			had:    []runtime.Object{db(fromAll)},
			change: []runtime.Object{db(fromWeb)},
		},
		"ARuleThatSaysMore": {
			reason: "it is another reason", foreign: baseline,
			had:    []runtime.Object{db(fromWeb)},
			change: []runtime.Object{db(fromAll)}, want: []string{doubted},
		},
		"AnotherRuleBesideIt": {
			reason: "so is a second one", foreign: baseline,
			had:    []runtime.Object{db(fromWeb)},
			change: []runtime.Object{clustertest.Netpol("shop/more", fromAll)}, want: []string{doubted},
		},
		"APeerBesideIt": {
			reason: "the rule says of this pair what it said", foreign: baseline,
			had:    []runtime.Object{db(fromWeb)},
			change: []runtime.Object{db(`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}, {podSelector: {matchLabels: {app: y}}}]}]}`)},
		},
		"ARuleForOthers": {
			reason: "it does not let this pair through", foreign: baseline,
			had:    []runtime.Object{db(fromWeb)},
			change: []runtime.Object{clustertest.Netpol("shop/more", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: y}}}]}]}`)},
		},
		"TheNetpolGoes": {
			reason: "it has no rule that it had not", foreign: baseline,
			had:     []runtime.Object{db(fromWeb)},
			deleted: []runtime.Object{db(fromWeb)},
		},
		"AnImageUpdate": {
			reason: "no rule is new", foreign: baseline,
			had:    []runtime.Object{db(fromWeb)},
			change: []runtime.Object{clustertest.Deployment("shop/web", clustertest.Labels("app=web"), clustertest.Port("http", 80, "TCP"))},
		},
		"AReplacementPod": {
			reason: "it has no address yet, and the block was there", foreign: baseline,
			had:    []runtime.Object{db(fromWeb), clustertest.Netpol("shop/block", byBlock), web("web-1", clustertest.IP("172.16.0.1"))},
			change: []runtime.Object{web("web-2")},
		},
		"AReplacementPodWhereEverythingIsUnknown": {
			reason: "its address may lie in a block that was there, and it was not proved shut before", foreign: cilium,
			had:    []runtime.Object{db(byBlock), resource("pg-1", clustertest.IP("172.16.0.1"))},
			change: []runtime.Object{resource("pg-2")},
		},
		"ALabelThatAnOldRuleAsksFor": {
			reason: "where everything was unknown, a rule lets it through now", foreign: cilium,
			had:    []runtime.Object{db(`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {role: client}}}]}]}`)},
			change: []runtime.Object{clustertest.Deployment("shop/web", clustertest.Labels("app=web", "role=client"))}, want: []string{allPorts},
		},
		"AReplacementPodGetsItsAddress": {
			reason: "nor does the kubelet open anything", foreign: baseline,
			had:    []runtime.Object{db(fromWeb), clustertest.Netpol("shop/block", byBlock), web("web-1", clustertest.IP("172.16.0.1")), web("web-2")},
			change: []runtime.Object{web("web-2", clustertest.IP("10.0.0.2"))},
		},
		"TheKubeletWritesAnAddress": {
			reason: "the rule was judged when it came",
			had:    []runtime.Object{db(byBlock), clustertest.Pod("shop/solo", clustertest.Labels("app=web"))},
			change: []runtime.Object{clustertest.Pod("shop/solo", clustertest.Labels("app=web"), clustertest.IP("10.0.0.1"))},
		},
		"AnotherRuleForWhatWasUnknown": {
			reason: "this opens it for certain",
			had:    []runtime.Object{db(byBlock)},
			change: []runtime.Object{clustertest.Netpol("shop/more", fromWeb)}, want: []string{allPorts},
		},
		"WhatDidNotParseIsMended": {
			reason: "nobody judged what it says now",
			had:    []runtime.Object{db(`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: Is}]}}]}]}`)},
			change: []runtime.Object{db(fromWeb)}, want: []string{allPorts},
		},
		"AnEgressRuleWhereTheSourceIsRestricted": {
			reason: "either side counts", foreign: in("shop"),
			change: []runtime.Object{clustertest.Netpol("shop/web", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{}]}`)}, want: []string{doubted},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			had := []runtime.Object{
				clustertest.Namespace("shop"), clustertest.Deployment("shop/web", clustertest.Labels("app=web")), clustertest.Deployment("shop/db", clustertest.Labels("app=db")),
			}
			before := clustertest.Apply(t, clustertest.Snapshot(t, had...), stored(t, tt.had)...)
			if tt.foreign != nil {
				before = clustertest.Apply(t, before, cluster.Change{After: tt.foreign})
			}
			after := clustertest.Apply(t, clustertest.Apply(t, before, stored(t, tt.change)...), clustertest.Delete(t, tt.deleted...)...)
			var got []string
			for _, c := range connectivity.Opened(before, after, connectivity.Query{From: selectPods(t, "app=web"), To: selectPods(t, "app=db")}, connectivity.Options{Believed: true}) {
				line := c.From.String() + " -> " + c.To.String() + " " + c.Ports.String()
				if c.Unknown != "" {
					line += " unknown " + string(c.Unknown)
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

// stored are objects as they come, broken ones too.
func stored(t *testing.T, objects []runtime.Object) []cluster.Change {
	var out []cluster.Change
	for _, o := range objects {
		out = append(out, cluster.Change{After: clustertest.Stored(t, o)})
	}
	return out
}
