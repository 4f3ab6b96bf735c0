package doctor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/doctor"
)

// everyPod is a cluster with a pod of every set of labels that the netpols can tell apart.
func everyPod() []runtime.Object {
	out := []runtime.Object{clustertest.Namespace("shop", "team=shop"), clustertest.Namespace("other", "team=other")}
	n := 0
	for _, a := range []string{"", "a=x", "a=y"} {
		for _, b := range []string{"", "b=x"} {
			for _, ns := range []string{"shop", "other"} {
				n++
				labels := slices.DeleteFunc([]string{a, b}, func(s string) bool { return s == "" })
				out = append(out, clustertest.Pod(fmt.Sprintf("%s/p%d", ns, n), clustertest.Labels(labels...), clustertest.IP(fmt.Sprintf("10.0.0.%d", n)), clustertest.Port("http", 80, "TCP")))
			}
		}
	}
	return out
}

func draw[T any](t *rapid.T, name string, of ...T) T { return rapid.SampledFrom(of).Draw(t, name) }

func drawPods(t *rapid.T) string {
	return draw(t, "pods", "{}", "{matchLabels: {a: x}}", "{matchLabels: {a: x, b: x}}", "{matchExpressions: [{key: a, operator: In, values: [x, y]}]}",
		"{matchExpressions: [{key: a, operator: Exists}]}", "{matchExpressions: [{key: b, operator: DoesNotExist}]}", "{matchExpressions: [{key: a, operator: NotIn, values: [y]}]}")
}

func drawRule(t *rapid.T, side string) string {
	var peers, ports []string
	for range rapid.IntRange(0, 2).Draw(t, "peers") {
		switch draw(t, "peer", "own", "wide", "block") {
		case "own":
			peers = append(peers, "{podSelector: "+drawPods(t)+"}")
		case "wide":
			peers = append(peers, "{podSelector: "+drawPods(t)+", namespaceSelector: "+draw(t, "namespaces", "{}", "{matchLabels: {team: shop}}", "{matchLabels: {team: other}}")+"}")
		default:
			peers = append(peers, draw(t, "block", "{ipBlock: {cidr: 192.0.2.0/24}}", "{ipBlock: {cidr: 192.0.0.0/16}}", "{ipBlock: {cidr: 192.0.0.0/16, except: [192.0.2.0/25]}}", "{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/25]}}"))
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "ports") {
		ports = append(ports, draw(t, "port", "{port: 80}", "{port: 80, endPort: 90}", "{port: 85, endPort: 100}", "{protocol: UDP, port: 80}", "{protocol: TCP}", "{port: http}"))
	}
	var parts []string
	if len(peers) > 0 {
		parts = append(parts, side+": ["+strings.Join(peers, ", ")+"]")
	}
	if len(ports) > 0 {
		parts = append(parts, "ports: ["+strings.Join(ports, ", ")+"]")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func drawNetpol(t *rapid.T) string {
	types := draw(t, "types", "[Ingress]", "[Egress]", "[Ingress, Egress]")
	spec := "{podSelector: " + drawPods(t) + ", policyTypes: " + types
	for _, d := range []struct{ section, side string }{{"ingress", "from"}, {"egress", "to"}} {
		if !strings.Contains(strings.ToLower(types), d.section) {
			continue
		}
		var rules []string
		for range rapid.IntRange(0, 2).Draw(t, "rules") {
			rules = append(rules, drawRule(t, d.side))
		}
		spec += ", " + d.section + ": [" + strings.Join(rules, ", ") + "]"
	}
	return spec + "}"
}

// picture is who can talk to whom, without the reasons.
func picture(t clustertest.TB, objects []runtime.Object) map[string]string {
	out := map[string]string{}
	for _, c := range connectivity.Connections(clustertest.Snapshot(t, objects...), connectivity.Options{}) {
		out[c.From.String()+" -> "+c.To.String()] = c.Ports.String() + " " + string(c.Unknown)
	}
	return out
}

// Without all the netpols that add nothing everything is as it is with them, for every pod that
// could come.
func TestLawWithoutWhatAddsNothingAllIsAsItWas(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		pods := everyPod()
		all := slices.Clone(pods)
		specs := rapid.SliceOfN(rapid.Custom(drawNetpol), 2, 5).Draw(t, "netpols")
		if rapid.Bool().Draw(t, "copy") {
			specs = append(specs, specs[0])
		}
		for i, spec := range specs {
			all = append(all, clustertest.Netpol(fmt.Sprintf("shop/n%d", i), spec))
		}
		idle := map[string]bool{}
		for _, m := range doctor.NetpolRemarks(clustertest.Snapshot(t, all...)) {
			if m.What == doctor.AddsNothing {
				idle[m.Object.Name] = true
				found++
			}
		}
		less := slices.Clone(pods)
		for i, spec := range specs {
			if name := fmt.Sprintf("n%d", i); !idle[name] {
				less = append(less, clustertest.Netpol("shop/"+name, spec))
			}
		}
		if diff := cmp.Diff(picture(t, all), picture(t, less)); diff != "" {
			t.Fatalf("without %v (-with +without):\n%s", idle, diff)
		}
	})
	if found == 0 {
		t.Error("none was found to add nothing: the law was not tried")
	}
}

func remarks(t *testing.T, objects ...runtime.Object) []string {
	t.Helper()
	var out []string
	for _, m := range doctor.NetpolRemarks(clustertest.Snapshot(t, append([]runtime.Object{clustertest.Namespace("shop", "team=shop"), clustertest.Namespace("other")}, objects...)...)) {
		out = append(out, m.What+": "+m.Text)
	}
	return out
}

func TestNetpolRemarks(t *testing.T) {
	web := clustertest.Pod("shop/web", clustertest.Labels("app=web"), clustertest.Port("http", 80, "TCP"))
	db := clustertest.Pod("shop/db", clustertest.Labels("app=db"), clustertest.Port("sql", 5432, "TCP"))
	far := clustertest.Pod("other/far", clustertest.Labels("app=far"))
	netpol := clustertest.Netpol
	const open = "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 80}]}]}"
	tests := map[string]struct {
		reason  string
		objects []runtime.Object
		want    []string
	}{
		"AllIsThere": {
			reason: "names that something has are nothing to tell", objects: []runtime.Object{web, db, far, netpol("shop/a",
				"{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: sql}]}], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}]}, {to: [{podSelector: {}}], ports: [{port: http}]}]}")},
		},
		"NoSuchPod": {
			reason: "a misspelt label", objects: []runtime.Object{web, netpol("shop/a", "{podSelector: {}, ingress: [{}, {from: [{podSelector: {matchLabels: {app: wbe}}}]}]}")},
			want: []string{"names-nothing: NetworkPolicy shop/a names what is not there: ingress rule 2: podSelector app=wbe matches no pod of namespace shop"},
		},
		"NoSuchNamespace": {
			reason: "a namespace that was never made", objects: []runtime.Object{web, netpol("shop/a", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {team: mesh}}}]}]}")},
			want: []string{"names-nothing: NetworkPolicy shop/a names what is not there: egress rule 1: namespaceSelector team=mesh matches no namespace"},
		},
		"NoSuchPodThere": {
			reason: "both selectors have to match", objects: []runtime.Object{web, far, netpol("shop/a", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: agent}}}]}]}")},
			want: []string{"names-nothing: NetworkPolicy shop/a names what is not there: ingress rule 1: podSelector app=agent matches no pod of the 2 namespaces that namespaceSelector everything matches"},
		},
		"NoSuchPortHere": {
			reason: "an ingress rule's name is that of whoever is selected", objects: []runtime.Object{web, db, netpol("shop/a", "{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: sql}]}]}")},
			want: []string{"names-nothing: NetworkPolicy shop/a names what is not there: ingress rule 1: port sql: none of the pods that it leads to has a TCP port of that name"},
		},
		"NoSuchPortThere": {
			reason: "an egress rule's name is that of whoever is reached", objects: []runtime.Object{web, db, netpol("shop/a", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: http}]}]}")},
			want: []string{"names-nothing: NetworkPolicy shop/a names what is not there: egress rule 1: port http: none of the pods that it leads to has a TCP port of that name"},
		},
		"AnotherProtocol": {
			reason: "a name is that of a port and its protocol", objects: []runtime.Object{db, netpol("shop/a", "{podSelector: {}, ingress: [{ports: [{port: sql, protocol: UDP}]}]}")},
			want: []string{"names-nothing: NetworkPolicy shop/a names what is not there: ingress rule 1: port sql: none of the pods that it leads to has a UDP port of that name"},
		},
		"WhoChoosesNobodyIsToldElsewhere": {
			reason: "one word for one thing", objects: []runtime.Object{web, netpol("shop/a", "{podSelector: {matchLabels: {app: gone}}, ingress: [{from: [{podSelector: {matchLabels: {app: gone}}}]}]}")},
		},
		"Copy": {
			reason: "of two that say the same the later name is one too many", objects: []runtime.Object{web, db, netpol("shop/a", open), netpol("shop/b", open)},
			want: []string{"adds-nothing: NetworkPolicy shop/b adds nothing: a says all that it says"},
		},
		"Shadowed": {
			reason: "a wider one says more", objects: []runtime.Object{web, db, netpol("shop/narrow", open), netpol("shop/wide", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")},
			want: []string{"adds-nothing: NetworkPolicy shop/narrow adds nothing: wide says all that it says"},
		},
		"BetweenTwo": {
			reason: "two together say all", objects: []runtime.Object{web, db, netpol("shop/both", "{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}, {ports: [{port: 81}]}]}"), netpol("shop/one", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"), netpol("shop/two", "{podSelector: {}, ingress: [{ports: [{port: 81}]}]}")},
			want: []string{"adds-nothing: NetworkPolicy shop/both adds nothing: one and two say all that it says"},
		},
		"DefaultDenyStays": {
			reason: "every pod of today is isolated by another netpol; one of tomorrow is not", objects: []runtime.Object{web, netpol("shop/deny", "{podSelector: {}}"), netpol("shop/web", "{podSelector: {matchLabels: {app: web}}, ingress: [{}]}")},
		},
		"ADenyStaysBesideAHole": {
			reason: "the hole has to go one day, and without the other one everything would be open then", objects: []runtime.Object{web, netpol("shop/deny", "{podSelector: {}}"), netpol("shop/hole", "{podSelector: {}, ingress: [{}]}")},
		},
		"AnotherDirectionStays": {
			reason: "it isolates for egress, which the other does not", objects: []runtime.Object{web, netpol("shop/a", "{podSelector: {}, policyTypes: [Ingress, Egress]}"), netpol("shop/b", "{podSelector: {}, policyTypes: [Ingress]}")},
			want: []string{"adds-nothing: NetworkPolicy shop/b adds nothing: a says all that it says"},
		},
		"TheLabelsOfANamespaceMayChange": {
			reason: "the own namespace has the label today", objects: []runtime.Object{web, netpol("shop/a", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: shop}}}]}]}"), netpol("shop/b", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")},
		},
		"EveryNamespaceIsTheOwnToo": {
			reason: "whatever labels it has", objects: []runtime.Object{web, netpol("shop/a", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"), netpol("shop/b", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")},
			want: []string{"adds-nothing: NetworkPolicy shop/b adds nothing: a says all that it says"},
		},
		"AnExceptionIsNotCovered": {
			reason: "the wider block leaves out what the narrow one has", objects: []runtime.Object{web, netpol("shop/a", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}"), netpol("shop/b", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.1.2.0/24}}]}]}")},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, remarks(t, tt.objects...)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
		})
	}
}

func TestIsolationAndHostNetwork(t *testing.T) {
	f := doctor.Facts{Live: true, Snapshot: clustertest.Snapshot(
		t,
		clustertest.Namespace("shop"), clustertest.Namespace("empty"), clustertest.Namespace("kube-system"), clustertest.Namespace("open"),
		clustertest.Pod("shop/web", clustertest.Labels("app=web")), clustertest.Netpol("shop/deny", "{podSelector: {}}"),
		clustertest.Pod("open/a"), clustertest.Pod("open/host", clustertest.HostNetwork(), clustertest.Labels("app=host")),
		clustertest.Netpol("open/host", "{podSelector: {matchLabels: {app: host}}}"),
		clustertest.Pod("kube-system/proxy", clustertest.HostNetwork()), clustertest.Pod("shop/agent", clustertest.HostNetwork()),
	)}
	for id, want := range map[string][]string{
		"isolation": {
			"warning: No default-deny for ingress in 1 of 2 namespaces with workloads: a pod that no NetworkPolicy selects can be reached by anybody",
			"warning: No default-deny for egress in 2 of 2 namespaces with workloads: a pod that no NetworkPolicy selects can reach anybody",
		},
		"host-network": {
			"warning: 1 workload on the node's network, and selected by a NetworkPolicy, which says nothing there",
			"warning: 1 workload on the node's network, outside of Kubernetes' own namespaces",
		},
	} {
		if diff := cmp.Diff(want, section(f, id)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
}

// A netpol that isolates all pods and lets everybody through is no default-deny, also beside one.
func TestAnAllowAllIsNoDefaultDeny(t *testing.T) {
	for name, rules := range map[string]string{
		"anybody":     "ingress: [{}], egress: [{}]",
		"every pod":   "ingress: [{from: [{namespaceSelector: {}}]}], egress: [{to: [{namespaceSelector: {}}]}]",
		"any address": "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]",
	} {
		f := doctor.Facts{Snapshot: clustertest.Snapshot(
			t, clustertest.Namespace("shop"), clustertest.Pod("shop/web"), clustertest.Netpol("shop/deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}"),
			clustertest.Netpol("shop/all", "{podSelector: {}, policyTypes: [Ingress, Egress], "+rules+"}"),
		)}
		want := []string{
			"warning: No default-deny for ingress in 1 of 1 namespace with workloads: a pod that no NetworkPolicy selects can be reached by anybody",
			"warning: No default-deny for egress in 1 of 1 namespace with workloads: a pod that no NetworkPolicy selects can reach anybody",
		}
		if diff := cmp.Diff(want, section(f, "isolation")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	within := doctor.Facts{Snapshot: clustertest.Snapshot(
		t, clustertest.Namespace("shop"), clustertest.Pod("shop/web"),
		clustertest.Netpol("shop/own", "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}]}], egress: [{to: [{podSelector: {}}]}, {ports: [{port: 53}]}]}"),
	)}
	for _, said := range section(within, "isolation") {
		if !strings.HasPrefix(said, "ok: ") {
			t.Errorf("within the namespace: %s", said)
		}
	}
}

func TestOtherPolicies(t *testing.T) {
	s := clustertest.Snapshot(t)
	s, err := s.Apply(
		cluster.Change{After: &cluster.Foreign{Group: "cilium.io", Kind: "CiliumNetworkPolicy", Namespace: "shop", Name: "c"}},
		cluster.Change{After: &cluster.Foreign{Group: "policy.networking.k8s.io", Kind: "AdminNetworkPolicy", Name: cluster.UnreadForeign}},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"not known: AdminNetworkPolicy.policy.networking.k8s.io is served and may not be listed: objects of it may be there that do all that the kind can do",
		"warning: CiliumNetworkPolicy.cilium.io: 1 object, beside which NetworkPolicies are not the whole truth",
	}
	if diff := cmp.Diff(want, section(doctor.Facts{Snapshot: s}, "other-policies")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
