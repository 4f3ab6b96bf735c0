package connectivity_test

import (
	"net/netip"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// webWithACanary is one workload whose ends mean two things: its template, and a pod
// with one label more.
func webWithACanary() []runtime.Object {
	return []runtime.Object{
		clustertest.Deployment("shop/web", clustertest.Labels("app=web")),
		clustertest.ReplicaSet("shop/web-1", clustertest.Labels("app=web"), clustertest.ControlledBy("Deployment/web")),
		clustertest.Pod("shop/web-1-a", clustertest.Labels("app=web", "canary=yes"), clustertest.ControlledBy("ReplicaSet/web-1")),
	}
}

// The ends of a workload have paths to the outside of their own: to overlapping
// addresses, on other ports. Each is listed, wherever another end's is, too.
func TestPathsToTheOutsideAreThoseOfAllEnds(t *testing.T) {
	const wide, narrow = "{ipBlock: {cidr: 10.0.0.0/8}}", "{ipBlock: {cidr: 10.1.0.0/16}}"
	others := "{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}"
	egress := func(name, canary, rules string) runtime.Object {
		return clustertest.Netpol("shop/"+name, `{podSelector: {matchExpressions: [{key: canary, operator: `+canary+`}]}, policyTypes: [Egress], egress: [`+rules+`]}`)
	}
	denied := clustertest.Netpol("shop/default-deny", "{podSelector: {}, policyTypes: [Egress]}")
	ports := connectivity.Ports(
		connectivity.PortRange{Protocol: cluster.TCP, First: 80, Last: 80}, connectivity.PortRange{Protocol: cluster.TCP, First: 443, Last: 443},
	)
	query := connectivity.Query{From: connectivity.Everyone(), To: connectivity.Selection{Block: netip.MustParsePrefix("10.0.0.0/8")}, Ports: ports}
	for name, canaries := range map[string][2]string{"TheTemplateHasMore": {"DoesNotExist", "Exists"}, "TheCanaryHasMore": {"Exists", "DoesNotExist"}} {
		t.Run(name, func(t *testing.T) {
			t.Run("Opened", func(t *testing.T) {
				before := clustertest.Snapshot(t, append(webWithACanary(), denied)...)
				after := clustertest.Snapshot(t, append(webWithACanary(), denied,
					egress("wide", canaries[0], `{to: [`+wide+`], ports: [{port: 80}]}`),
					egress("narrow", canaries[1], `{to: [`+narrow+`], ports: [{port: 443}]}`))...)
				at := map[string]connectivity.PortSet{}
				for _, c := range connectivity.Opened(before, after, query, connectivity.Options{}) {
					add(at, c.To.CIDR, c.Ports)
				}
				wantAt(t, at)
			})
			t.Run("Closed", func(t *testing.T) {
				before := clustertest.Snapshot(t, webWithACanary()...)
				after := clustertest.Snapshot(t, append(webWithACanary(),
					egress("wide", canaries[0], `{to: [`+wide+`], ports: [{port: 443}]}`),
					egress("narrow", canaries[1], `{to: [`+narrow+`], ports: [{port: 80}]}, {to: [`+others+`], ports: [{port: 80}, {port: 443}]}`))...)
				at := map[string]connectivity.PortSet{}
				for _, c := range connectivity.Closed(before, after, query, connectivity.Options{}) {
					add(at, c.To.CIDR, c.Ports)
				}
				wantAt(t, at)
			})
		})
	}
}

const inBoth, inTheWideOne = "10.1.2.3", "10.9.9.9"

// add notes the ports of a block at the addresses that are looked at.
func add(at map[string]connectivity.PortSet, block netip.Prefix, ports connectivity.PortSet) {
	for _, a := range []string{inBoth, inTheWideOne} {
		if block.Contains(netip.MustParseAddr(a)) {
			at[a] = at[a].Union(ports)
		}
	}
}

func wantAt(t *testing.T, at map[string]connectivity.PortSet) {
	t.Helper()
	for a, want := range map[string]string{inBoth: "TCP 80, TCP 443", inTheWideOne: "TCP 80"} {
		if got := at[a].String(); got != want {
			t.Errorf("at %s: %s, want %s", a, got, want)
		}
	}
}

// A namespace gets, or loses, the label by which a question chooses it. Of a workload
// in it the question chooses one pod and not the template.
func TestOneEndIsChosenInANamespaceWithOtherLabels(t *testing.T) {
	trusted, plain := clustertest.Namespace("shop", "team=web"), clustertest.Namespace("shop")
	having := func(key, value string) selector.Selector {
		s, err := selector.New(metav1.LabelSelector{MatchLabels: map[string]string{key: value}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	query := connectivity.Query{
		From: connectivity.Selection{Namespaces: having("team", "web"), Pods: having("canary", "yes")},
		To:   connectivity.Selection{Namespaces: selector.Everything(), Pods: having("app", "db")},
	}
	objects := append(webWithACanary(), clustertest.StatefulSet("data/db", clustertest.Labels("app=db")))
	without := clustertest.Snapshot(t, slices.Concat(objects, []runtime.Object{plain})...)
	with := clustertest.Apply(t, without, changesOf(t, slices.Concat(objects, []runtime.Object{plain}), slices.Concat(objects, []runtime.Object{trusted}))...)
	// What was open before was not asked about: the pod is somebody else now.
	if got := connectivity.Opened(without, with, query, connectivity.Options{}); len(got) != 1 || got[0].From.String() != "shop/Deployment/web" {
		t.Errorf("with the label: %v, want the path of the canary", got)
	}
	// Whoever was chosen still is, when the path opens at the same time.
	shut := slices.Concat(objects, []runtime.Object{trusted, clustertest.Netpol("shop/default-deny", "{podSelector: {}, policyTypes: [Egress]}")})
	before := clustertest.Snapshot(t, shut...)
	open := clustertest.Apply(t, before, changesOf(t, shut, slices.Concat(objects, []runtime.Object{plain}))...)
	if got := connectivity.Opened(before, open, query, connectivity.Options{}); len(got) != 1 || got[0].From.String() != "shop/Deployment/web" {
		t.Errorf("without the label: %v, want the path of the canary", got)
	}
}
