package connectivity_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// ask is one port of one path, and the answer that is right.
type ask struct {
	from, to string
	on       string // "TCP 80"
	want     string // "open", "blocked", or "unknown" and the reason
}

// The cluster of the stories: a web Deployment and a db pod in shop, a probe in
// ops. A story adds netpols, or objects that stand in for these.
func storyObjects() []runtime.Object {
	return []runtime.Object{
		clustertest.Namespace("shop", "env=prod"),
		clustertest.Namespace("ops", "env=ops"),
		clustertest.Pod("shop/web", clustertest.Labels("app=web"), clustertest.IP("10.0.0.1", "fd00::1"), clustertest.Port("http", 8080, "")),
		clustertest.Pod("shop/db", clustertest.Labels("app=db"), clustertest.IP("10.0.0.2"), clustertest.Port("http", 80, ""), clustertest.Port("dns", 53, "UDP")),
		clustertest.Pod("ops/probe", clustertest.Labels("app=probe"), clustertest.IP("10.0.1.1")),
	}
}

func TestStories(t *testing.T) {
	for _, stories := range []map[string]story{portStories, selectorStories, emptyStories, blockStories, doubtStories, nodeStories, brokenStories, generatedStories} {
		for name, tt := range stories {
			t.Run(name, func(t *testing.T) {
				s := clustertest.Snapshot(t, append(storyObjects(), tt.add...)...)
				if tt.foreign != nil {
					s = clustertest.Apply(t, s, cluster.Change{After: tt.foreign})
				}
				got := pictureOf(t, connectivity.Connections(s, tt.options))
				for _, a := range tt.asks {
					if answer := answerTo(t, got, a); answer != a.want {
						t.Errorf("%s -> %s on %s: got %s, want %s (%s)", a.from, a.to, a.on, answer, a.want, tt.reason)
					}
				}
			})
		}
	}
}

type story struct {
	reason  string
	add     []runtime.Object
	foreign *cluster.Foreign
	options connectivity.Options
	asks    []ask
}

const (
	web = "shop/Pod/web"
	db  = "shop/Pod/db"
	ops = "ops/Pod/probe"
)

func netpol(ref, spec string) runtime.Object { return clustertest.Netpol(ref, spec) }

func only(o ...runtime.Object) []runtime.Object { return o }

var portStories = map[string]story{
	"BothSidesMustAgreeOnOnePort": {
		reason: "kubescape#3903: some port from each side, AND-ed, is wrong",
		add: only(netpol("shop/out", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: 443}]}]}`),
			netpol("shop/in", `{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 5432}]}]}`)),
		asks: []ask{{web, db, "TCP 443", "blocked"}, {web, db, "TCP 5432", "blocked"}, {ops, db, "TCP 5432", "open"}, {web, ops, "TCP 443", "open"}},
	},
	"ProtocolMissingIsTCP": {
		reason: "nil protocol is TCP, and only TCP",
		add:    only(netpol("shop/in", `{podSelector: {}, ingress: [{ports: [{port: 80}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}, {web, db, "UDP 80", "blocked"}, {web, db, "SCTP 80", "blocked"}},
	},
	"ProtocolWithoutPortIsAllOfThatProtocol": {
		reason: "a rule with UDP and no port was taken for TCP too",
		add:    only(netpol("shop/in", `{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}`)),
		asks:   []ask{{web, db, "UDP 1", "open"}, {web, db, "UDP 65535", "open"}, {web, db, "TCP 80", "blocked"}},
	},
	"SCTPIsolatesTheOthers": {
		reason: "a netpol that allows only SCTP still isolates TCP and UDP",
		add:    only(netpol("shop/in", `{podSelector: {}, ingress: [{ports: [{protocol: SCTP, port: 7}]}]}`)),
		asks:   []ask{{web, db, "SCTP 7", "open"}, {web, db, "SCTP 8", "blocked"}, {web, db, "TCP 7", "blocked"}, {web, db, "UDP 7", "blocked"}},
	},
	"EndPortIsInclusive": {
		reason: "both ends belong to the range (KEP-2079)",
		add:    only(netpol("shop/in", `{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 90}, {port: 65535, endPort: 65535}]}]}`)),
		asks:   []ask{{web, db, "TCP 79", "blocked"}, {web, db, "TCP 80", "open"}, {web, db, "TCP 90", "open"}, {web, db, "TCP 91", "blocked"}, {web, db, "TCP 65535", "open"}},
	},
	"NamedPortResolvesOnTheDestination": {
		reason: "aws-network-policy-agent#149: for ingress and egress alike, per pod; two pods may differ",
		add:    only(netpol("shop/out", `{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}, {web, db, "TCP 8080", "blocked"}, {db, web, "TCP 8080", "open"}, {db, web, "TCP 80", "blocked"}, {web, ops, "TCP 80", "blocked"}, {web, "1.2.3.4", "TCP 80", "blocked"}},
	},
	"NamedPortIsPerProtocol": {
		reason: "dns is a UDP port here, so TCP dns matches nothing",
		add:    only(netpol("shop/in", `{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: dns}]}]}`), netpol("shop/web", `{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: dns, protocol: UDP}]}]}`)),
		asks:   []ask{{web, db, "TCP 53", "blocked"}, {web, db, "UDP 53", "blocked"}, {db, web, "UDP 53", "blocked"}},
	},
	"NamedPortOfSeveralContainersIsASet": {
		reason: "a sidecar and a container may use one name; an init container that ends does not count",
		add: only(clustertest.Pod("shop/db", clustertest.Labels("app=db"), clustertest.Port("http", 80, ""), clustertest.Port("http", 81, ""), clustertest.Sidecar("http", 82), clustertest.InitContainer("http", 83)),
			netpol("shop/in", `{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: http}]}]}`)),
		asks: []ask{{web, db, "TCP 80", "open"}, {web, db, "TCP 81", "open"}, {web, db, "TCP 82", "open"}, {web, db, "TCP 83", "blocked"}},
	},
	"NamedPortFromOutside": {
		reason: "from an address outside the name resolves on the pod that is reached",
		add:    only(netpol("shop/in", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: http}]}]}`)),
		asks:   []ask{{"8.8.8.8", db, "TCP 80", "open"}, {"8.8.8.8", db, "TCP 8080", "blocked"}, {"2001:db8::1", db, "TCP 80", "blocked"}},
	},
}

var selectorStories = map[string]story{
	"OwnNamespaceOnly": {
		reason: "a podSelector alone is for the netpol's namespace",
		add:    only(netpol("shop/in", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}, {ops, db, "TCP 80", "blocked"}, {"1.1.1.1", db, "TCP 80", "blocked"}},
	},
	"AllNamespacesAndNothingOutside": {
		reason: "namespaceSelector {} is every pod, and nothing outside the cluster",
		add:    only(netpol("shop/in", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}, {ops, db, "TCP 80", "open"}, {"1.1.1.1", db, "TCP 80", "blocked"}},
	},
	"OneElementIsAnd": {
		reason: "pods of app=web in env=ops: there are none",
		add:    only(netpol("shop/in", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {env: ops}}, podSelector: {matchLabels: {app: web}}}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "blocked"}, {ops, db, "TCP 80", "blocked"}},
	},
	"TwoElementsAreOr": {
		reason: "the same two as elements of their own",
		add:    only(netpol("shop/in", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {env: ops}}}, {podSelector: {matchLabels: {app: web}}}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}, {ops, db, "TCP 80", "open"}},
	},
	"NotInMatchesWithoutTheKey": {
		reason: "NotIn and DoesNotExist also match objects without the key",
		add:    only(netpol("shop/in", `{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [front]}]}}]}]}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}},
	},
	"NamespaceKnownByNameOnly": {
		reason: "kubernetes.io/metadata.name is on a namespace that only an object names (KEP-2161)",
		add: only(clustertest.Pod("dark/lamp", clustertest.Labels("app=lamp")),
			netpol("shop/in", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: dark}}}]}]}`)),
		asks: []ask{{"dark/Pod/lamp", db, "TCP 80", "open"}, {ops, db, "TCP 80", "blocked"}},
	},
	"NamespaceMissingIsDefault": {
		reason: "objects without a namespace are in default",
		add: only(clustertest.Pod("lamp", clustertest.Labels("app=lamp")), clustertest.Pod("switch", clustertest.Labels("app=switch")),
			netpol("deny", `{podSelector: {matchLabels: {app: lamp}}}`)),
		asks: []ask{{"default/Pod/switch", "default/Pod/lamp", "TCP 1", "blocked"}, {"default/Pod/lamp", "default/Pod/switch", "TCP 1", "open"}},
	},
	"NameOfANetpolMeansNothing": {
		reason: "a netpol called default-deny that allows all",
		add:    only(netpol("shop/default-deny", `{podSelector: {}, ingress: [{}]}`)),
		asks:   []ask{{ops, db, "TCP 80", "open"}},
	},
	"AllowAllBesideDefaultDeny": {
		reason: "netpols add up: default-deny is a floor only until someone adds to it",
		add:    only(netpol("shop/default-deny", `{podSelector: {}}`), netpol("shop/allow", `{podSelector: {}, ingress: [{}]}`)),
		asks:   []ask{{ops, db, "TCP 80", "open"}},
	},
	"NetpolsStayInTheirNamespace": {
		reason: "a netpol isolates pods of its own namespace only",
		add:    only(netpol("ops/deny", `{podSelector: {}, policyTypes: [Ingress, Egress]}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}, {ops, db, "TCP 80", "blocked"}, {db, ops, "TCP 80", "blocked"}},
	},
	"RepliesAreImplied": {
		reason: "one direction says nothing of the other",
		add:    only(netpol("shop/deny", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}`)),
		asks:   []ask{{web, db, "TCP 80", "blocked"}, {db, web, "TCP 8080", "open"}},
	},
	"GonePodsAreGone": {
		reason: "Succeeded and Failed pods neither send nor receive; terminating ones do",
		add: only(clustertest.Pod("shop/done", clustertest.Phase("Succeeded")), clustertest.Pod("shop/dead", clustertest.Phase("Failed")),
			clustertest.Pod("shop/leaving", clustertest.Terminating())),
		asks: []ask{{"shop/Pod/done", db, "TCP 80", "blocked"}, {"shop/Pod/dead", db, "TCP 80", "blocked"}, {"shop/Pod/leaving", db, "TCP 80", "open"}},
	},
}

var emptyStories = map[string]story{
	"EgressNullListLeavesEgressOpen": {
		reason: "egress: [] without policyTypes denies all ingress and leaves egress alone",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: web}}, egress: []}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}, {db, web, "TCP 8080", "blocked"}},
	},
	"AnEgressRuleIsolatesBoth": {
		reason: "policyTypes default to Ingress, and Egress when there is a rule",
		add:    only(netpol("shop/n", `{podSelector: {matchLabels: {app: web}}, egress: [{}]}`)),
		asks:   []ask{{web, db, "TCP 80", "open"}, {db, web, "TCP 8080", "blocked"}},
	},
	"IngressMissing": {
		reason: "missing ingress lets nothing in",
		add:    only(netpol("shop/n", `{podSelector: {}}`)), asks: []ask{{web, db, "TCP 80", "blocked"}, {db, ops, "TCP 80", "open"}},
	},
	"IngressNull": {
		reason: "null is missing",
		add:    only(netpol("shop/n", `{podSelector: {}, ingress: null}`)), asks: []ask{{web, db, "TCP 80", "blocked"}},
	},
	"IngressEmpty": {
		reason: "[] was read as allow-all by kube-network-policies",
		add:    only(netpol("shop/n", `{podSelector: {}, ingress: []}`)), asks: []ask{{web, db, "TCP 80", "blocked"}, {"1.1.1.1", db, "TCP 80", "blocked"}},
	},
	"OneEmptyRuleIsEverything": {
		reason: "[{}] is all peers and ports",
		add:    only(netpol("shop/n", `{podSelector: {}, ingress: [{}]}`)), asks: []ask{{web, db, "SCTP 9", "open"}, {"1.1.1.1", db, "UDP 80", "open"}, {"::1", db, "UDP 80", "open"}},
	},
	"FromEmptyIsEverybody": {
		reason: "from: [] is from missing, and ports: [] ports missing",
		add:    only(netpol("shop/n", `{podSelector: {}, ingress: [{from: [], ports: []}]}`)), asks: []ask{{ops, db, "UDP 9", "open"}, {"1.1.1.1", db, "TCP 80", "open"}},
	},
	"PodSelectorMissing": {
		reason: "a missing podSelector is the empty one",
		add:    only(netpol("shop/n", `{policyTypes: [Ingress]}`)), asks: []ask{{web, db, "TCP 80", "blocked"}, {db, web, "TCP 80", "blocked"}},
	},
	"SectionOfAnotherDirectionIsIgnored": {
		reason: "policyTypes [Egress] with an ingress section, and the reverse",
		add: only(netpol("shop/e", `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], ingress: [{}]}`),
			netpol("shop/i", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], egress: [{}]}`)),
		asks: []ask{{web, ops, "TCP 80", "blocked"}, {ops, web, "TCP 80", "open"}, {ops, db, "TCP 80", "blocked"}, {db, ops, "TCP 80", "open"}},
	},
}
