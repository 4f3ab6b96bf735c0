package connectivity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

func TestWidened(t *testing.T) {
	base := []string{
		"shop/default-deny", `{podSelector: {}, policyTypes: [Ingress, Egress]}`,
		"shop/backend", `{podSelector: {matchLabels: {app: backend}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]}`,
	}
	tests := map[string]struct {
		was, is string
		more    []cluster.Change
		want    []string
	}{
		"EveryNamespace":           {is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 5432}]}]}`, want: []string{"ingress 0 namespaces known"}},
		"EveryNamespaceButOne":     {is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [x]}]}}], ports: [{port: 5432}]}]}`, want: []string{"ingress 0 namespaces known"}},
		"SomeNamespaces":           {is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}], ports: [{port: 5432}]}]}`},
		"SomePodsOfAllNamespaces":  {is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: backend}}}], ports: [{port: 5432}]}]}`},
		"EverybodyIsAllOfIt":       {is: `{podSelector: {matchLabels: {app: db}}, ingress: [{}]}`, want: []string{"ingress 0 namespaces addresses ports known"}},
		"NearlyAllAddresses":       {is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}], ports: [{port: 5432}]}]}`, want: []string{"ingress 0 addresses known"}},
		"AQuarterOfTheAddresses":   {is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/2}}], ports: [{port: 5432}]}]}`},
		"AllOfIPv6ThatIsGivenOut":  {is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: "2000::/3"}}], ports: [{port: 5432}]}]}`, want: []string{"ingress 0 addresses known"}},
		"ManyPorts":                {is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 5000, endPort: 5999}]}]}`, want: []string{"ingress 0 ports known"}},
		"NotSoManyPorts":           {is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 5000, endPort: 5998}]}]}`},
		"WideBefore":               {was: `{podSelector: {matchLabels: {app: db}}, ingress: [{}]}`, is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}, {}]}`},
		"WideBeforeForFewer":       {was: `{podSelector: {matchLabels: {app: db}}, ingress: [{}]}`, is: `{podSelector: {}, ingress: [{}]}`, want: []string{"ingress 0 namespaces addresses ports known"}},
		"WideBeforeInPortsAlone":   {was: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}`, is: `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}]}]}`, want: []string{"ingress 0 namespaces ports known"}},
		"SelectsNobody":            {is: `{podSelector: {matchLabels: {app: none}}, ingress: [{}]}`},
		"AnExceptionIsNotLookedAt": {is: `{podSelector: {matchLabels: {app: ours}}, ingress: [{}]}`},
		"SomebodyIsNotIsolated": {
			is:   `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 5432}]}]}`,
			more: clustertest.Create(t, clustertest.Namespace("lab"), clustertest.Pod("lab/x")), want: []string{"ingress 0 namespaces unknown"},
		},
	}
	ours, err := selector.New(metav1.LabelSelector{MatchLabels: map[string]string{"app": "ours"}})
	if err != nil {
		t.Fatal(err)
	}
	q := connectivity.WideQuery{
		Directions: []cluster.Direction{cluster.Egress, cluster.Ingress}, ManyPorts: 1000,
		Except: []connectivity.Selection{{Namespaces: selector.Everything(), Pods: ours}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Snapshot(t, clustertest.Namespace("shop"),
				clustertest.StatefulSet("shop/db", clustertest.Labels("app=db"), clustertest.Port("", 5432, corev1.ProtocolTCP)),
				clustertest.Deployment("shop/backend", clustertest.Labels("app=backend")),
				clustertest.Deployment("shop/ours", clustertest.Labels("app=ours")),
				clustertest.Netpol(base[0], base[1]), clustertest.Netpol(base[2], base[3]))
			s = clustertest.Apply(t, s, test.more...)
			var was *cluster.Netpol
			before := s
			if test.was != "" {
				was = clustertest.Object(t, clustertest.Netpol("shop/db", test.was)).(*cluster.Netpol)
				before = clustertest.Apply(t, s, cluster.Change{After: was})
			}
			is := clustertest.Object(t, clustertest.Netpol("shop/db", test.is)).(*cluster.Netpol)
			change := cluster.Change{After: is}
			if was != nil {
				change.Before = was
			}
			after := clustertest.Apply(t, before, change)
			var got []string
			for _, r := range connectivity.Widened(before, was, after, is, q, connectivity.Options{}) {
				text := r.Direction.String() + " " + string(rune('0'+r.Rule))
				for _, x := range []struct {
					is   bool
					word string
				}{{r.Namespaces, " namespaces"}, {r.Addresses, " addresses"}, {r.Ports, " ports"}, {r.Known, " known"}, {!r.Known, " unknown"}} {
					if x.is {
						text += x.word
					}
				}
				got = append(got, text)
				if r.Known && name == "EveryNamespace" && (len(r.Others) != 1 || r.Others[0].Name != "backend" || r.Shown.String() != "TCP 5432") {
					t.Errorf("others %v, shown %s", r.Others, r.Shown)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
