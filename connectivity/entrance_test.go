package connectivity_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// service and ingress are objects whose spec is written in YAML.
func service(ref, spec string) *corev1.Service {
	s := &corev1.Service{}
	s.Namespace, s.Name, _ = strings.Cut(ref, "/")
	if err := yaml.UnmarshalStrict([]byte(spec), &s.Spec); err != nil {
		panic(ref + ": " + err.Error())
	}
	return s
}

func ingress(ref, spec string) *networkingv1.Ingress {
	i := &networkingv1.Ingress{}
	i.Namespace, i.Name, _ = strings.Cut(ref, "/")
	if err := yaml.UnmarshalStrict([]byte(spec), &i.Spec); err != nil {
		panic(ref + ": " + err.Error())
	}
	return i
}

// entranceText is an entrance in a line: "web default all ports", "db service TCP 5432 unknown".
func entranceText(x connectivity.Entrance) string {
	var way []string
	for _, w := range x.Ways {
		for _, s := range w.Steps {
			way = append(way, strings.TrimSpace(s.As+" "+s.Kind+"/"+s.Name))
		}
	}
	text := fmt.Sprintf("%s from %s: %s %s", x.To.Workload.Name, x.From, x.Through, x.Ports)
	if len(way) > 0 {
		text += " by " + strings.Join(way, ", ")
	}
	if x.Unknown != "" {
		text += " (" + string(x.Unknown) + ")"
	}
	return text
}

const (
	fromPods  = `{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}`
	fromWorld = `{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: "::/0"}}]}]}`
	local     = `{type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}`
	inside    = `{selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}`
	toWeb     = `{rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}`
)

// TestWhatOpensAnEntrance: a change answers for what it opens, whatever it is a change of.
func TestWhatOpensAnEntrance(t *testing.T) {
	web := func(labels ...string) runtime.Object {
		return clustertest.Deployment("shop/web", clustertest.Labels(append([]string{"app=web"}, labels...)...))
	}
	shut := clustertest.Netpol("shop/web", fromPods)
	tests := map[string]struct {
		before, after []runtime.Object
		through       []connectivity.Through
		want          string
	}{
		"ServiceTurnsIntoALoadBalancer": {
			before: []runtime.Object{web(), shut, service("shop/web", inside)},
			after:  []runtime.Object{service("shop/web", `{type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}`)},
			want:   "web from 0.0.0.0/0: service TCP 8080 by LoadBalancer Service/web (node-exception)\nweb from ::/0: service TCP 8080 by LoadBalancer Service/web (node-exception)",
		},
		"ALocalOneOfAShutWorkloadOpensNothing": {
			before: []runtime.Object{web(), shut, service("shop/web", inside)},
			after:  []runtime.Object{service("shop/web", local)},
		},
		"NetpolThatLetsTheWorldInBehindIt": {
			before:  []runtime.Object{web(), shut, service("shop/web", local)},
			after:   []runtime.Object{clustertest.Netpol("shop/more", fromWorld)},
			through: []connectivity.Through{connectivity.ThroughService},
			want:    "web from 0.0.0.0/0: service TCP 8080 by LoadBalancer Service/web\nweb from ::/0: service TCP 8080 by LoadBalancer Service/web",
		},
		"TheSameByWayOfTheNodesIsCertainNow": {
			before:  []runtime.Object{web(), shut, service("shop/web", strings.Replace(local, "Local", "Cluster", 1))},
			after:   []runtime.Object{clustertest.Netpol("shop/more", fromWorld)},
			through: []connectivity.Through{connectivity.ThroughService},
			want:    "web from 0.0.0.0/0: service TCP 8080 by LoadBalancer Service/web\nweb from ::/0: service TCP 8080 by LoadBalancer Service/web",
		},
		"AnotherServiceToTheSamePortOpensNothing": {
			before:  []runtime.Object{web(), service("shop/web", local)},
			after:   []runtime.Object{service("shop/other", local)},
			through: []connectivity.Through{connectivity.ThroughService},
		},
		"OneToAnotherPortDoes": {
			before:  []runtime.Object{web(), service("shop/web", local)},
			after:   []runtime.Object{service("shop/other", `{type: NodePort, selector: {app: web}, ports: [{port: 9090}]}`)},
			through: []connectivity.Through{connectivity.ThroughService},
			want:    "web from 0.0.0.0/0: service TCP 9090 by NodePort Service/other\nweb from ::/0: service TCP 9090 by NodePort Service/other",
		},
		"MoreClientsOfALoadBalancer": {
			before:  []runtime.Object{web(), service("shop/web", `{type: LoadBalancer, allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: [0.0.0.0/1], selector: {app: web}, ports: [{port: 80}]}`)},
			after:   []runtime.Object{service("shop/web", `{type: LoadBalancer, allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: [0.0.0.0/0], selector: {app: web}, ports: [{port: 80}]}`)},
			through: []connectivity.Through{connectivity.ThroughService},
			want:    "web from 128.0.0.0/1: service TCP 80 by LoadBalancer Service/web",
		},
		"LabelByWhichAServiceSelects": {
			before:  []runtime.Object{web(), service("shop/web", strings.Replace(local, "app: web", `public: "yes"`, 1))},
			after:   []runtime.Object{web("public=yes")},
			through: []connectivity.Through{connectivity.ThroughService},
			want:    "web from 0.0.0.0/0: service TCP 8080 by LoadBalancer Service/web\nweb from ::/0: service TCP 8080 by LoadBalancer Service/web",
		},
		"IngressToAServiceThatWasInside": {
			before:  []runtime.Object{web(), shut, service("shop/web", inside)},
			after:   []runtime.Object{ingress("shop/web", toWeb)},
			through: []connectivity.Through{connectivity.ThroughIngress},
			want:    "web from 0.0.0.0/0: ingress TCP 8080 by Ingress/web, Service/web (controller-unknown)\nweb from ::/0: ingress TCP 8080 by Ingress/web, Service/web (controller-unknown)",
		},
		"AnotherHostOpensNothing": {
			before:  []runtime.Object{web(), shut, service("shop/web", inside), ingress("shop/web", toWeb)},
			after:   []runtime.Object{ingress("shop/more", strings.Replace(toWeb, "a.example", "b.example", 1))},
			through: []connectivity.Through{connectivity.ThroughIngress},
		},
		"ServiceThatAnIngressHasNamedAllTheTime": {
			before:  []runtime.Object{web(), ingress("shop/web", toWeb)},
			after:   []runtime.Object{service("shop/web", inside)},
			through: []connectivity.Through{connectivity.ThroughIngress},
			want:    "web from 0.0.0.0/0: ingress TCP 8080 by Ingress/web, Service/web\nweb from ::/0: ingress TCP 8080 by Ingress/web, Service/web",
		},
		"NewPodOfAnExposedWorkload": {
			before: []runtime.Object{clustertest.StatefulSet("shop/db", clustertest.Labels("app=web")), service("shop/web", local), service("shop/db-0", `{type: NodePort, selector: {statefulset.kubernetes.io/pod-name: db-0}, ports: [{port: 5432}]}`)},
			after:  []runtime.Object{clustertest.Pod("shop/db-0", clustertest.Labels("app=web", "statefulset.kubernetes.io/pod-name=db-0", "apps.kubernetes.io/pod-index=0"), clustertest.ControlledBy("StatefulSet/db"))},
		},
		"ServiceWithoutASelector": {
			before:  []runtime.Object{web()},
			after:   []runtime.Object{service("shop/web", `{type: LoadBalancer, ports: [{port: 80}]}`)},
			through: []connectivity.Through{connectivity.ThroughService},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := clustertest.Snapshot(t, test.before...)
			after := before
			for _, o := range test.after {
				model, err := cluster.FromAPI(o)
				if err != nil {
					t.Fatal(err)
				}
				after = clustertest.Apply(t, after, cluster.Change{Before: before.Object(model.Ref()), After: model})
			}
			var got []string
			for _, x := range connectivity.OpenedEntrances(before, after, connectivity.EntranceQuery{To: connectivity.Everyone(), Through: test.through}, connectivity.Options{}) {
				got = append(got, entranceText(x))
			}
			if text := strings.Join(got, "\n"); text != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", text, test.want)
			}
		})
	}
}
