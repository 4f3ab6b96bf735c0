package connectivity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// tight are bounds beyond which a test can go in a line.
var tight = cluster.Bounds{Netpol: 100, Object: 10}

func tightObject(tb testing.TB, o runtime.Object) cluster.Object {
	tb.Helper()
	m, err := tight.FromAPI(o)
	if err != nil && !errors.Is(err, cluster.ErrOverBound) {
		tb.Fatal(err)
	}
	return m
}

func overlong(name string) *corev1.Pod {
	p := clustertest.Pod(name)
	p.Labels = map[string]string{}
	for i := range 11 {
		p.Labels[fmt.Sprintf("k%d", i)] = "v"
	}
	return p
}

// The question of these stories: no frontend reaches a database.
func TestStoriesOfObjectsOverTheBounds(t *testing.T) {
	deny := clustertest.Netpol("shop/deny", `{podSelector: {}, policyTypes: [Ingress, Egress]}`)
	db := clustertest.Pod("shop/db", clustertest.Labels("app=db"), clustertest.IP("10.0.0.1"))
	web := clustertest.Pod("shop/web", clustertest.Labels("tier=frontend"), clustertest.IP("10.0.0.2"))
	dbOpen := clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {tier: frontend}}}]}]}`)
	webOpen := clustertest.Netpol("shop/web", `{podSelector: {matchLabels: {tier: frontend}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}`)
	giant := clustertest.Netpol("shop/giant", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [`+strings.Repeat("{podSelector: {matchLabels: {no: body}}}, ", 101)+`]}]}`)
	idle := clustertest.Netpol("shop/giant", `{podSelector: {matchLabels: {no: body}}, policyTypes: [Ingress], ingress: [{from: [`+strings.Repeat("{podSelector: {}}, ", 101)+`]}]}`)
	small := clustertest.Netpol("shop/giant", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {no: body}}}]}]}`)
	smallOpen := clustertest.Netpol("shop/giant", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}`)
	strange := overlong("shop/strange")
	frontend := clustertest.Pod("shop/strange", clustertest.Labels("tier=frontend"))
	one := func(o runtime.Object) cluster.Change { return cluster.Change{After: tightObject(t, o)} }
	update := func(was, now runtime.Object) cluster.Change {
		return cluster.Change{Before: tightObject(t, was), After: tightObject(t, now)}
	}
	tests := map[string]struct {
		cluster []runtime.Object
		change  cluster.Change
		want    string
	}{
		"AStoredGiantThatSelectsNobodyMattersToNobody": {[]runtime.Object{deny, db, web, idle}, one(webOpen), ""},
		"AGiantMayLetAnybodyIn":                        {[]runtime.Object{deny, db, web, giant}, one(webOpen), "shop/Pod/web -> shop/Pod/db unparsable-selector"},
		"AGiantThatWasThereOpensNothing":               {[]runtime.Object{deny, db, web, giant, webOpen}, one(clustertest.Pod("shop/other")), ""},
		"MadeSmallItOpensNothing":                      {[]runtime.Object{deny, db, web, giant, webOpen}, update(giant, small), ""},
		"MadeSmallItOpensWhatItSays":                   {[]runtime.Object{deny, db, web, giant, webOpen}, update(giant, smallOpen), "shop/Pod/web -> shop/Pod/db"},
		"DeletedItOpensNothingWhereAnotherIsolates":    {[]runtime.Object{deny, db, web, giant, webOpen}, cluster.Change{Before: tightObject(t, giant)}, ""},
		"APodThatMayBeAFrontendIsAsItWas":              {[]runtime.Object{deny, db, strange, dbOpen, webOpen}, one(clustertest.Netpol("shop/more", `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {no: body}}}]}]}`)), ""},
		"ANewPodThatMayBeAFrontend":                    {[]runtime.Object{deny, db, dbOpen, webOpen}, one(strange), "shop/Pod/strange -> shop/Pod/db unparsable-selector"},
		"ReadItIsAFrontendAndNew":                      {[]runtime.Object{deny, db, strange, dbOpen, webOpen}, update(strange, frontend), "shop/Pod/strange -> shop/Pod/db"},
		"ReadItIsNobody":                               {[]runtime.Object{deny, db, strange, dbOpen, webOpen}, update(strange, clustertest.Pod("shop/strange", clustertest.Labels("x=y"))), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var all []cluster.Object
			for _, o := range test.cluster {
				all = append(all, tightObject(t, o))
			}
			all = append(all, tightObject(t, clustertest.Namespace("shop")))
			before, err := cluster.New(all...)
			if err != nil {
				t.Fatal(err)
			}
			after, err := before.Apply(test.change)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range connectivity.Opened(before, after, connectivity.Query{From: selectPods(t, "tier=frontend"), To: selectPods(t, "app=db")}, connectivity.Options{}) {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s -> %s %s", c.From, c.To, c.Unknown)))
			}
			if strings.Join(got, "; ") != test.want {
				t.Errorf("opens %q, want %q", strings.Join(got, "; "), test.want)
			}
		})
	}
}
