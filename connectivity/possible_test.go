package connectivity_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// labelled selects the pods with the given labels, in every namespace.
func labelled(t *testing.T, labels ...string) connectivity.Selection {
	t.Helper()
	pods, err := selector.New(metav1.LabelSelector{MatchLabels: clustertest.Set(labels...)})
	if err != nil {
		t.Fatal(err)
	}
	return connectivity.Selection{Namespaces: selector.Everything(), Pods: pods}
}

// doors writes connections as "from -> to on ports [keys]", with the doubt.
func doors(list []connectivity.Connection) []string {
	var out []string
	for _, c := range list {
		text := fmt.Sprintf("%s -> %s on %s", c.From, c.To, c.Ports)
		for _, p := range []connectivity.Peer{c.From, c.To} {
			if p.Witness != nil {
				for _, r := range p.Witness.Key {
					text += " [" + r.String() + "]"
				}
			}
		}
		if c.Unknown != "" {
			text += " " + string(c.Unknown)
		}
		out = append(out, text)
	}
	return out
}

func TestPossible(t *testing.T) {
	const deny = `{podSelector: {}, policyTypes: [Ingress, Egress]}`
	const egress = `{podSelector: {}, policyTypes: [Egress], egress: [{}]}`
	tests := map[string]struct {
		reason  string
		objects []runtime.Object
		want    []string
	}{
		"AnEmptyNamespaceIsOpen": {
			"nothing isolates a pod there",
			[]runtime.Object{clustertest.Namespace("shop")},
			[]string{"shop/Pod (tier=web) -> shop/Pod (tier=db) on all ports"},
		},
		"DefaultDenyShuts": {
			"every pod is isolated and no rule lets anybody in",
			[]runtime.Object{clustertest.Netpol("shop/deny", deny)},
			nil,
		},
		"OneLabelIsTheKey": {
			"the rule is about another label than the question",
			[]runtime.Object{
				clustertest.Netpol("shop/deny", deny), clustertest.Netpol("shop/out", egress),
				clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {tier: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 5432}]}]}`),
			},
			[]string{"shop/Pod (app=api,tier=web) -> shop/Pod (tier=db) on TCP 5432 [app=api]"},
		},
		"TheSameLabelIsNoKey": {
			"a pod has one tier: who is web is not api",
			[]runtime.Object{
				clustertest.Netpol("shop/deny", deny), clustertest.Netpol("shop/out", egress),
				clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {tier: db}}, ingress: [{from: [{podSelector: {matchLabels: {tier: api}}}]}]}`),
			},
			nil,
		},
		"BothSidesMustAgreeOnAPort": {
			"egress lets out on 80 only, ingress in on 443 only",
			[]runtime.Object{
				clustertest.Netpol("shop/out", `{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]}`),
				clustertest.Netpol("shop/in", `{podSelector: {}, ingress: [{ports: [{port: 443}]}]}`),
			},
			nil,
		},
		"ANameIsAnyNumber": {
			"a pod can call any of its ports pg",
			[]runtime.Object{
				clustertest.Netpol("shop/out", `{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]}`),
				clustertest.Netpol("shop/in", `{podSelector: {}, ingress: [{ports: [{port: pg}]}]}`),
			},
			[]string{"shop/Pod (tier=web) -> shop/Pod (tier=db) port pg/TCP on TCP 80"},
		},
		"LackingALabelIsAKey": {
			"who isolates only pods with a label leaves out those without",
			[]runtime.Object{clustertest.Netpol("shop/in", `{podSelector: {matchExpressions: [{key: app, operator: Exists}]}}`)},
			[]string{"shop/Pod (tier=web) -> shop/Pod (tier=db) on all ports [!app]"},
		},
		"AValueThatNobodyUses": {
			"the label has to be there, with none of the values that are kept out",
			[]runtime.Object{
				clustertest.Netpol("shop/in", `{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: Exists}, {key: app, operator: NotIn, values: [x, api]}]}}]}]}`),
			},
			[]string{"shop/Pod (app=x1,tier=web) -> shop/Pod (tier=db) on all ports [app,app notin (api,x)]"},
		},
		"AnAddressIsNotKnownYet": {
			"the block may hold the address of a pod that is to come",
			[]runtime.Object{clustertest.Netpol("shop/in", `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}`)},
			[]string{"shop/Pod (tier=web) -> shop/Pod (tier=db) on all ports ip-not-assigned"},
		},
		"WhatDoesNotParseIsUnknown": {
			"whom the netpol isolates is not known",
			[]runtime.Object{clustertest.Netpol("shop/in", `{podSelector: {matchExpressions: [{key: app, operator: Like}]}}`)},
			[]string{"shop/Pod (tier=web) -> shop/Pod (tier=db) on all ports unparsable-selector"},
		},
		"APodOnTheHostsNetworkIsToldByName": {
			"the proof is about pods of the pod network",
			[]runtime.Object{
				clustertest.Netpol("shop/deny", deny),
				clustertest.Pod("shop/probe", clustertest.Labels("tier=web"), clustertest.HostNetwork()),
				clustertest.Pod("shop/db", clustertest.Labels("tier=db")),
			},
			[]string{"shop/Pod/probe -> shop/Pod/db on all ports node-exception"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Snapshot(t, test.objects...)
			q := connectivity.Query{From: labelled(t, "tier=web"), To: labelled(t, "tier=db"), Scope: connectivity.Possible}
			if diff := cmp.Diff(test.want, doors(connectivity.Open(s, q, connectivity.Options{}))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

func TestPossibleOutside(t *testing.T) {
	s := clustertest.Snapshot(t,
		clustertest.Netpol("shop/out", `{podSelector: {matchLabels: {tier: db}}, policyTypes: [Egress], egress: [
			{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 53}]}]}`),
		clustertest.Netpol("shop/backup", `{podSelector: {matchLabels: {backup: "yes"}}, policyTypes: [Egress], egress: [
			{to: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 443}]}]}`),
	)
	q := connectivity.Query{
		From: labelled(t, "tier=db"), To: connectivity.Selection{Block: netip.MustParsePrefix("0.0.0.0/0")}, Scope: connectivity.Possible,
	}
	want := []string{
		"shop/Pod (backup=yes,tier=db) -> 192.0.2.0/24 on TCP 443 [backup=yes]",
		"shop/Pod (tier=db) -> 10.0.0.0/8 on TCP 53",
	}
	if diff := cmp.Diff(want, doors(connectivity.Open(s, q, connectivity.Options{}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A second key to a door that had one is a new way in, and refused as such.
func TestASecondKeyIsNew(t *testing.T) {
	rule := func(name, app string) runtime.Object {
		return clustertest.Netpol("shop/"+name, `{podSelector: {matchLabels: {tier: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: `+app+`}}}]}]}`)
	}
	before := clustertest.Snapshot(t, rule("first", "api"))
	q := connectivity.Query{From: labelled(t, "tier=web"), To: labelled(t, "tier=db"), Scope: connectivity.Possible}
	for app, want := range map[string][]string{
		"api":   nil,
		"batch": {"shop/Pod (app=batch,tier=web) -> shop/Pod (tier=db) on all ports [app=batch]"},
	} {
		after := clustertest.Apply(t, before, clustertest.Create(t, rule("second", app))...)
		if diff := cmp.Diff(want, doors(connectivity.Opened(before, after, q, connectivity.Options{}))); diff != "" {
			t.Errorf("app=%s (-want +got):\n%s", app, diff)
		}
	}
}

func TestPossibleSaysWhatIsNew(t *testing.T) {
	before := clustertest.Snapshot(t, clustertest.Netpol("shop/in", `{podSelector: {}}`))
	after := clustertest.Apply(t, before, clustertest.Create(t, clustertest.Netpol("shop/all", `{podSelector: {}, ingress: [{}]}`))...)
	q := connectivity.Query{From: labelled(t, "tier=web"), To: labelled(t, "tier=db"), Scope: connectivity.Possible}
	var got []string
	for _, c := range connectivity.Opened(before, after, q, connectivity.Options{}) {
		for _, b := range c.Because {
			got = append(got, fmt.Sprintf("%s %s %v", b.Direction, b.Netpol, b.New))
		}
	}
	want := []string{"egress / false", "ingress shop/NetworkPolicy/all true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A search that takes too long is no proof. The netpols here leave every pod
// isolated, but to see it every way of mixing twelve labels has to be tried.
func TestWhatIsNotDecidedIsNotShut(t *testing.T) {
	var objects []runtime.Object
	// No two of the keys may have the same value, of fewer values than keys.
	const keys, values = 9, 8
	for i := range keys {
		var all []string
		for v := range values {
			all = append(all, fmt.Sprint(v))
		}
		objects = append(objects, clustertest.Netpol(fmt.Sprintf("shop/k%d", i),
			fmt.Sprintf(`{podSelector: {matchExpressions: [{key: k%d, operator: NotIn, values: ["%s"]}]}}`, i, strings.Join(all, `","`))))
		for j := range i {
			for v := range values {
				objects = append(objects, clustertest.Netpol(fmt.Sprintf("shop/k%d-%d-%d", i, j, v),
					fmt.Sprintf(`{podSelector: {matchLabels: {k%d: "%d", k%d: "%d"}}}`, i, v, j, v)))
			}
		}
	}
	s := clustertest.Snapshot(t, objects...)
	q := connectivity.Query{From: labelled(t, "tier=web"), To: labelled(t, "tier=db"), Scope: connectivity.Possible}
	got := connectivity.Open(s, q, connectivity.Options{})
	if len(got) != 1 || got[0].Unknown != connectivity.NotDecided || len(got[0].Because) == 0 {
		t.Fatalf("got %v, want one connection that is not decided, with a reason", doors(got))
	}
	if got[0].From.Witness.Labels != nil {
		t.Errorf("labels were not found, and there are %v", got[0].From.Witness.Labels)
	}
}

// A pod whose address lies elsewhere than the configuration says pods' addresses do is
// told of as it is, also where a block that lets it through cannot be read in full.
func TestAnAddressElsewhereIsToldBesideABrokenBlock(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Namespace("shop"), clustertest.Namespace("data"),
		clustertest.Pod("shop/web", clustertest.Labels("tier=web")), clustertest.Pod("data/db", clustertest.Labels("tier=db"), clustertest.IP("fd00::1")),
		clustertest.Netpol("shop/out", `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: "::/0", except: [10.0.0.x]}}]}]}`))
	q := connectivity.Query{From: labelled(t, "tier=web"), To: labelled(t, "tier=db"), Scope: connectivity.Possible}
	o := connectivity.Options{PodNetwork: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	const want = "shop/Pod/web -> data/Pod/db on all ports unparsable-selector"
	if got := doors(connectivity.Open(s, q, o)); !slices.Contains(got, want) {
		t.Errorf("got %q, want %q among them", got, want)
	}
}
