package cluster_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
)

// little are bounds that a test can go beyond in a line.
var little = cluster.Bounds{Netpol: 400, Object: 20}

func some(n int, of string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, of+", ", i)
	}
	return b.String()
}

func TestWhatIsOverABoundIsRefusedAndSaysHowMuch(t *testing.T) {
	tests := map[string]struct {
		object runtime.Object
		want   string // empty: within the bounds
	}{
		"AsManyPeersAsAllowed": {clustertest.Netpol("a/n", `{podSelector: {}, ingress: [{from: [`+some(200, "{podSelector: {matchLabels: {a: b%d}}}")+`]}]}`), ""},
		"Peers":                {clustertest.Netpol("a/n", `{podSelector: {}, ingress: [{from: [`+some(401, "{ipBlock: {cidr: 10.0.0.0/8}} #%d\n")+`]}]}`), "spec: Forbidden: 401 peers, and at most 400 are read"},
		"PeersOfSeveralRules":  {clustertest.Netpol("a/n", `{podSelector: {}, ingress: [{from: [`+some(201, "{podSelector: {}} #%d\n")+`]}], egress: [{to: [`+some(200, "{podSelector: {}} #%d\n")+`]}]}`), "401 peers"},
		"Rules":                {clustertest.Netpol("a/n", `{podSelector: {}, ingress: [`+some(41, "{from: [{podSelector: {}}]} #%d\n")+`]}`), "41 rules, and at most 40 are read"},
		"Ports":                {clustertest.Netpol("a/n", `{podSelector: {}, ingress: [{ports: [`+some(41, "{port: 1%d}")+`]}]}`), "41 ports, and at most 40 are read"},
		"Excepts":              {clustertest.Netpol("a/n", `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [`+some(401, "10.0.1.0/24 #%d\n")+`]}}]}]}`), "401 excepted blocks"},
		"KeysOfOneSelector":    {clustertest.Netpol("a/n", `{podSelector: {matchLabels: {`+some(5, "k%d: x")+`}}}`), "spec.podSelector: Forbidden: 5 label requirements of one selector, and at most 4 are read"},
		"Values":               {clustertest.Netpol("a/n", `{podSelector: {}, egress: [{to: [{podSelector: {matchExpressions: [{key: a, operator: In, values: [`+some(401, "v%d")+`]}]}}]}]}`), "401 label values"},
		"LabelsOfAPod":         {clustertest.Pod("a/p", manyLabels(21)), "metadata.labels: Forbidden: 21 labels, and at most 20 are read"},
		"LabelsOfATemplate":    {clustertest.Deployment("a/d", manyLabels(21)), "spec.template.metadata.labels: Forbidden: 21 labels"},
		"LabelsOfACronJob":     {clustertest.CronJob("a/d", manyLabels(21)), "spec.jobTemplate.spec.template.metadata.labels: Forbidden: 21 labels"},
		"LabelsOfANamespace":   {clustertest.Namespace("a", listOfLabels(21)...), "metadata.labels: Forbidden: 22 labels"},
		"Owners":               {ownedByMany(3), "metadata.ownerReferences: Forbidden: 3 owners, and at most 2 are read"},
		"AnOrdinaryPod":        {clustertest.Pod("a/p", manyLabels(20)), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := little.FromAPI(test.object)
			switch {
			case o == nil:
				t.Fatal("nothing is left in the model")
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !errors.Is(err, cluster.ErrOverBound)):
				t.Errorf("got %v, want an ErrOverBound that says %q", err, test.want)
			}
			if _, err := cluster.FromAPI(test.object); err != nil {
				t.Errorf("the default bounds refuse it: %v", err)
			}
		})
	}
}

func listOfLabels(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("k%d=v", i)
	}
	return out
}

func manyLabels(n int) clustertest.Option { return clustertest.Labels(listOfLabels(n)...) }

func ownedByMany(n int) *corev1.Pod {
	p := clustertest.Pod("a/p")
	for i := range n {
		p.OwnerReferences = append(p.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: fmt.Sprint(i)})
	}
	return p
}

func mustRead(t *testing.T, b cluster.Bounds, objects ...runtime.Object) *cluster.Snapshot {
	t.Helper()
	var all []cluster.Object
	for _, o := range objects {
		m, err := b.FromAPI(o)
		if err != nil && !errors.Is(err, cluster.ErrOverBound) {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	s, err := cluster.New(all...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A pod of which too much is said may be selected by everything that asks for a label.
func TestLabelsOverTheBoundMayBeAny(t *testing.T) {
	s := mustRead(t, little, clustertest.Pod("a/p", manyLabels(21)), clustertest.Pod("a/q", clustertest.Labels("app=web")))
	for _, test := range []struct {
		selector metav1.LabelSelector
		want     selector.Match
	}{
		{metav1.LabelSelector{}, selector.Yes},
		{metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, selector.Maybe},
		{metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpDoesNotExist}}}, selector.Maybe},
		{metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "pod-template-hash", Operator: metav1.LabelSelectorOpExists}}}, selector.Maybe},
	} {
		selector, err := selector.New(test.selector)
		if err != nil {
			t.Fatal(err)
		}
		v := s.VariantOf("a", "p")
		if got := v.Matches(selector); got != test.want {
			t.Errorf("%s: %v, want %v", selector, got, test.want)
		}
		at, _ := s.Members("a").Position(v)
		if !s.Members("a").Select(selector).Test(at) {
			t.Errorf("%s: the index does not find the pod", selector)
		}
	}
}

// What may not be an isolation is none: the netpol that asks for a label isolates such a
// pod perhaps, and one for all surely.
func TestAPodOverTheBoundIsIsolatedByWhatSelectsEverybody(t *testing.T) {
	s := mustRead(t, little, clustertest.Pod("a/p", manyLabels(21)),
		clustertest.Netpol("a/all", `{podSelector: {}}`), clustertest.Netpol("a/web", `{podSelector: {matchLabels: {app: web}}}`))
	by := s.IsolationOf(s.VariantOf("a", "p")).By[cluster.Ingress]
	if len(by) != 2 || by[0].Match != selector.Yes || by[1].Match != selector.Maybe {
		t.Errorf("isolated by %+v, want surely by all and perhaps by web", by)
	}
}

func TestANetpolOverTheBoundIsKeptAsFarAsItIsKnown(t *testing.T) {
	np := clustertest.Netpol("a/n", `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress], ingress: [{from: [`+some(401, "{podSelector: {}} #%d\n")+`]}]}`)
	n, err := little.NewNetpol(np)
	if err == nil || n.Over == "" {
		t.Fatalf("not over the bound: %v", err)
	}
	db := n.Selector.Matches(map[string]string{"app": "db"})
	if other := n.Selector.Matches(map[string]string{"app": "web"}); db != selector.Yes || other != selector.No {
		t.Errorf("selects db: %v, web: %v; the podSelector can be read", db, other)
	}
	in, out := n.Rules[cluster.Ingress], n.Rules[cluster.Egress]
	if len(in) != 1 || in[0].AnyPeer || !in[0].Peers[0].Broken || !in[0].Ports[0].Broken {
		t.Errorf("ingress is %+v, want one rule that may let anybody through", in)
	}
	if len(out) != 0 || !n.Isolates[cluster.Egress] {
		t.Errorf("egress is %+v, and isolated: %v; it has no rules and that is known", out, n.Isolates)
	}
}

// Two netpols of which nothing is kept are not the same for that.
func TestWhatIsOverABoundIsToldFromSomethingElse(t *testing.T) {
	read := func(o runtime.Object) cluster.Object { m, _ := little.FromAPI(o); return m }
	peers := func(block string) *networkingv1.NetworkPolicy {
		return clustertest.Netpol("a/n", `{podSelector: {}, ingress: [{from: [`+some(401, "{ipBlock: {cidr: "+block+"}} #%d\n")+`]}]}`)
	}
	labels := func(last string) *corev1.Pod { return clustertest.Pod("a/p", manyLabels(21), clustertest.Labels(last)) }
	for name, test := range map[string]struct {
		before, after runtime.Object
		idle          bool
	}{
		"TheSameNetpol":    {peers("10.0.0.0/8"), peers("10.0.0.0/8"), true},
		"OtherPeers":       {peers("10.0.0.0/8"), peers("11.0.0.0/8"), false},
		"TheSameLabels":    {labels("a=b"), labels("a=b"), true},
		"OtherLabels":      {labels("a=b"), labels("a=c"), false},
		"NamespacesLabels": {clustertest.Namespace("a", append(listOfLabels(30), "a=b")...), clustertest.Namespace("a", append(listOfLabels(30), "a=c")...), false},
	} {
		if got := (cluster.Change{Before: read(test.before), After: read(test.after)}).Idle(); got != test.idle {
			t.Errorf("%s: idle is %v, want %v", name, got, test.idle)
		}
	}
}

func TestTakesAway(t *testing.T) {
	netpol := func(spec string) *networkingv1.NetworkPolicy { return clustertest.Netpol("a/n", spec) }
	was := netpol(`{podSelector: {matchLabels: {a: b}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: 1}, {port: 2}]}, {from: [{namespaceSelector: {}}]}]}`)
	for name, test := range map[string]struct {
		now  string
		want bool
	}{
		"Nothing":        {`{podSelector: {matchLabels: {a: b}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: 1}, {port: 2}]}, {from: [{namespaceSelector: {}}]}]}`, true},
		"APeer":          {`{podSelector: {matchLabels: {a: b}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 1}, {port: 2}]}, {from: [{namespaceSelector: {}}]}]}`, true},
		"ARule":          {`{podSelector: {matchLabels: {a: b}}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}]}]}`, true},
		"AllRules":       {`{podSelector: {matchLabels: {a: b}}, policyTypes: [Ingress]}`, true},
		"AllPeers":       {`{podSelector: {matchLabels: {a: b}}, policyTypes: [Ingress], ingress: [{ports: [{port: 1}]}]}`, false},
		"AllPorts":       {`{podSelector: {matchLabels: {a: b}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}`, false},
		"AnExcept":       {`{podSelector: {matchLabels: {a: b}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 1}]}]}`, false},
		"ALabelOfItsOwn": {`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 1}]}]}`, false},
		"AnotherPeer":    {`{podSelector: {matchLabels: {a: b}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {x: y}}}], ports: [{port: 1}]}]}`, false},
		"AType":          {`{podSelector: {matchLabels: {a: b}}, policyTypes: [Egress]}`, false},
	} {
		if got := cluster.TakesAway(was, netpol(test.now)); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
