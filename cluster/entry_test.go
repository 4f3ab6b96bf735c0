package cluster_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

func serviceOf(t *testing.T, spec string) (*cluster.Service, error) {
	t.Helper()
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &s.Spec); err != nil {
		t.Fatal(err)
	}
	o, err := cluster.FromAPI(s)
	if err != nil {
		return nil, err
	}
	return o.(*cluster.Service), nil
}

func TestHowAServiceIsReachedFromOutside(t *testing.T) {
	for name, test := range map[string]struct{ spec, from string }{
		"ClusterIP":                   {`{selector: {a: b}, ports: [{port: 80}]}`, ""},
		"NodePort":                    {`{type: NodePort, selector: {a: b}, ports: [{port: 80}]}`, "NodePort"},
		"LoadBalancer":                {`{type: LoadBalancer, selector: {a: b}, ports: [{port: 80}]}`, "LoadBalancer"},
		"ExternalIPs":                 {`{externalIPs: [192.0.2.1], selector: {a: b}, ports: [{port: 80}]}`, "externalIPs"},
		"ExternalName":                {`{type: ExternalName, externalName: example.com, externalIPs: [192.0.2.1]}`, ""},
		"LoadBalancerWithoutNodePort": {`{type: LoadBalancer, allocateLoadBalancerNodePorts: false, selector: {a: b}, ports: [{port: 80}]}`, "LoadBalancer"},
	} {
		s, err := serviceOf(t, test.spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.FromOutside(); got != test.from {
			t.Errorf("%s: from outside by %q, want %q", name, got, test.from)
		}
		if want := name == "NodePort" || name == "LoadBalancer"; s.NodePort != want {
			t.Errorf("%s: has a port of the nodes: %v", name, s.NodePort)
		}
	}
	if s, _ := serviceOf(t, `{type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8, nonsense]}`); s.Clients != nil {
		t.Errorf("what does not parse restricts nobody, got %v", s.Clients)
	}
}

func TestWhereABackendLeads(t *testing.T) {
	s, err := serviceOf(t, `{selector: {a: b}, ports: [{name: http, port: 80, targetPort: web}, {name: dns, port: 53, protocol: UDP}]}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		backend cluster.Backend
		want    []cluster.ServicePort
	}{
		{cluster.Backend{Port: 80}, s.Ports[:1]},
		{cluster.Backend{PortName: "dns"}, []cluster.ServicePort{{Name: "dns", Protocol: cluster.UDP, Port: 53, Target: 53}}},
		{cluster.Backend{}, s.Ports},
		{cluster.Backend{Port: 81}, nil},
		{cluster.Backend{PortName: "nobody"}, nil},
	} {
		if diff := cmp.Diff(test.want, s.Leads(test.backend)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.backend, diff)
		}
	}
}

func TestServicesThatDoNotHold(t *testing.T) {
	for spec, want := range map[string]string{
		`{ports: [{port: 70000}]}`:                 "spec.ports[0].port",
		`{ports: [{port: 80, targetPort: 70000}]}`: "spec.ports[0].targetPort",
		`{ports: [{port: 80, protocol: ICMP}]}`:    "spec.ports[0].protocol",
		`{selector: {a: "no value"}, ports: []}`:   "spec.selector",
	} {
		if _, err := serviceOf(t, spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error that names %s, got %v", spec, want, err)
		}
	}
}

func TestBackendsOfAnIngress(t *testing.T) {
	i := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	err := yaml.UnmarshalStrict([]byte(`
defaultBackend: {service: {name: front, port: {name: http}}}
rules:
- host: a.example.com
  http:
    paths:
    - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
    - {path: "/x\ny", pathType: Exact, backend: {service: {name: other, port: {number: 81}}}}
    - {path: /file, pathType: Exact, backend: {resource: {kind: Bucket, name: b}}}
- host: b.example.com
  http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
- host: c.example.com
`), &i.Spec)
	if err != nil {
		t.Fatal(err)
	}
	o, err := cluster.FromAPI(i)
	if err != nil {
		t.Fatal(err)
	}
	want := []cluster.Backend{
		{Namespace: "shop", Service: "web", Port: 80, When: "host a.example.com, path /", More: 1},
		{Namespace: "shop", Service: "other", Port: 81, When: `host a.example.com, path "/x\ny"`},
		{Namespace: "shop", Service: "front", PortName: "http", When: "host c.example.com", More: 1},
	}
	if diff := cmp.Diff(want, o.(*cluster.IngressEntry).Backends); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBackendsOfARoute(t *testing.T) {
	r, meta, err := cluster.NewRoute("HTTPRoute", "shop", []byte(`{"metadata":{"name":"web"},"spec":{
"parentRefs":[{"name":"public","namespace":"infra","sectionName":"https"},{"name":"public","namespace":"infra"},{"group":"","kind":"Service","name":"mesh"}],
"hostnames":["shop.example.com","www.example.com"],
"rules":[{"matches":[{"path":{"value":"/"}}],
 "filters":[{"type":"RequestMirror","requestMirror":{"backendRef":{"name":"shadow","port":8080}}}],
 "backendRefs":[{"name":"web","port":80,"filters":[{"requestMirror":{"backendRef":{"name":"copy","port":9}}}]},{"name":"web","namespace":"other","port":80},{"group":"x.io","kind":"Bucket","name":"b"}]}]}}`))
	if err != nil || meta.Namespace != "shop" {
		t.Fatal(meta, err)
	}
	when := "host shop.example.com, path /"
	want := &cluster.Route{
		Namespace: "shop", Kind: "HTTPRoute", Name: "web", Gateways: []string{"infra/public"},
		Backends: []cluster.Backend{
			{Namespace: "shop", Service: "web", Port: 80, When: when},
			{Namespace: "shop", Service: "copy", Port: 9, When: when},
			{Namespace: "other", Service: "web", Port: 80, When: when},
			{Namespace: "shop", Service: "shadow", Port: 8080, When: when},
		},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, _, err := cluster.NewRoute("HTTPRoute", "shop", []byte(`{"spec":{"rules":7}}`)); err == nil {
		t.Error("a route whose rules are a number is read")
	}
}

// TestEntriesAreSharedAsOthersAre: a snapshot with another Service shares all else, and the
// one before stays as it is.
func TestEntriesAreSharedAsOthersAre(t *testing.T) {
	inside, err := serviceOf(t, `{selector: {a: b}, ports: [{port: 80}]}`)
	if err != nil {
		t.Fatal(err)
	}
	outside, err := serviceOf(t, `{type: LoadBalancer, selector: {a: b}, ports: [{port: 80}]}`)
	if err != nil {
		t.Fatal(err)
	}
	before := clustertest.Apply(t, clustertest.Snapshot(t, clustertest.Deployment("shop/web"), clustertest.Deployment("other/web")), cluster.Change{After: inside})
	after := clustertest.Apply(t, before, cluster.Change{Before: inside, After: outside})
	if s, _ := before.Service("shop", "web"); s != inside {
		t.Error("the snapshot before has changed")
	}
	if s, _ := after.Service("shop", "web"); s != outside || after.Object(s.Ref()) != cluster.Object(outside) {
		t.Errorf("got %v", s)
	}
	d := after.Since(before)
	if len(d.Namespaces) != 1 || len(d.Namespaces[0].Entries) != 2 || len(d.Namespaces[0].Workloads)+len(d.Namespaces[0].Netpols) != 0 {
		t.Errorf("got the difference %+v", d)
	}
	changes := after.ChangesSince(before)
	if len(changes) != 1 || changes[0].Before != cluster.Object(inside) || changes[0].After != cluster.Object(outside) {
		t.Errorf("got the changes %v", changes)
	}
	if (cluster.Change{Before: inside, After: inside}).Idle() != true || changes[0].Idle() {
		t.Error("only a change to the same is idle")
	}
	gone := clustertest.Apply(t, after, cluster.Change{Before: outside})
	if len(gone.Services("shop")) != 0 || len(after.Services("shop")) != 1 {
		t.Error("a Service that goes is gone, and only then")
	}
	var kinds []string
	for o := range after.Objects() {
		kinds = append(kinds, o.Ref().Kind)
	}
	if text := strings.Join(kinds, " "); text != "Deployment Deployment Service.core" {
		t.Errorf("got the objects %s", text)
	}
	if outside.Ref().KindText() != "Service" {
		t.Errorf("people read %q", outside.Ref().KindText())
	}
}
