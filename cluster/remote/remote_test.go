package remote_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster/remote"
)

var resources = map[schema.GroupVersionResource]string{
	{Version: "v1", Resource: "namespaces"}:                                          "NamespaceList",
	{Version: "v1", Resource: "services"}:                                            "ServiceList",
	{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}:               "IngressList",
	{Group: "gateway.networking.k8s.io", Version: "v1beta1", Resource: "httproutes"}: "HTTPRouteList",
	{Version: "v1", Resource: "pods"}:                                                "PodList",
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}:         "NetworkPolicyList",
	{Group: "apps", Version: "v1", Resource: "deployments"}:                          "DeploymentList",
	{Group: "apps", Version: "v1", Resource: "statefulsets"}:                         "StatefulSetList",
	{Group: "apps", Version: "v1", Resource: "daemonsets"}:                           "DaemonSetList",
	{Group: "apps", Version: "v1", Resource: "replicasets"}:                          "ReplicaSetList",
	{Version: "v1", Resource: "replicationcontrollers"}:                              "ReplicationControllerList",
	{Group: "batch", Version: "v1", Resource: "jobs"}:                                "JobList",
	{Group: "batch", Version: "v1", Resource: "cronjobs"}:                            "CronJobList",
	{Group: "cilium.io", Version: "v2", Resource: "ciliumnetworkpolicies"}:           "CiliumNetworkPolicyList",
	{Group: "example.org", Version: "v1", Resource: "foonetworkpolicys"}:             "FooNetworkPolicyList",
	{Group: "crd.projectcalico.org", Version: "v1", Resource: "networkpolicies"}:     "NetworkPolicyList",
}

// served is a Discovery with a fixed answer.
type served struct {
	lists []*metav1.APIResourceList
	err   error
}

func (s served) ServerPreferredResources() ([]*metav1.APIResourceList, error) { return s.lists, s.err }

func client(t *testing.T, documents ...string) *fake.FakeDynamicClient {
	t.Helper()
	var objects []runtime.Object
	for _, d := range documents {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(d), &u.Object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, u)
	}
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), resources, objects...)
}

const (
	web = `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, managedFields: [{manager: kubectl}]}, status: {podIP: 10.0.0.1}}`
	// An operator that is no more: stored by an API server that did not check it.
	broken = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: old, namespace: shop}, spec: {podSelector: {matchExpressions: [{key: a, operator: Is}]}}}`
	cilium = `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: c, namespace: shop}, spec: {}}`
)

func TestRead(t *testing.T) {
	served := served{lists: []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods", Kind: "Pod", Verbs: metav1.Verbs{"list"}}}},
		{GroupVersion: "cilium.io/v2", APIResources: []metav1.APIResource{
			{Name: "ciliumnetworkpolicies", Kind: "CiliumNetworkPolicy", Verbs: metav1.Verbs{"list"}},
			{Name: "ciliumnetworkpolicies/status", Kind: "CiliumNetworkPolicy", Verbs: metav1.Verbs{"get"}},
			{Name: "ciliumendpoints", Kind: "CiliumEndpoint", Verbs: metav1.Verbs{"list"}},
		}},
	}, err: &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{{Group: "metrics.k8s.io", Version: "v1beta1"}: errors.New("down")}}}
	set, err := remote.Read(t.Context(), client(t, web, broken, cilium), served, "cluster test")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range set.Objects {
		got = append(got, o.Location.String()+": "+o.Ref().String())
		if strings.Contains(string(o.JSON), "managedFields") || !strings.Contains(string(o.JSON), `"kind":"`+o.Kind+`"`) {
			t.Errorf("JSON of %s: %s", o.Ref(), o.JSON)
		}
	}
	want := []string{"cluster test: shop/NetworkPolicy/old", "cluster test: shop/Pod/web", "cluster test: shop/CiliumNetworkPolicy.cilium.io/c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if len(set.Notes) != 1 || !strings.Contains(set.Notes[0].Text, "spec.podSelector") {
		t.Errorf("notes %v, want one about the selector", set.Notes)
	}
	if _, err := set.Snapshot(); err != nil {
		t.Errorf("what is stored stays in the model: %v", err)
	}
}

// What leads in from outside is read where it is asked for, routes in the version that is served.
func TestReadEntries(t *testing.T) {
	routes := served{lists: []*metav1.APIResourceList{{GroupVersion: "gateway.networking.k8s.io/v1beta1", APIResources: []metav1.APIResource{
		{Name: "httproutes", Kind: "HTTPRoute", Verbs: metav1.Verbs{"list"}}, {Name: "gateways", Kind: "Gateway", Verbs: metav1.Verbs{"list"}},
	}}}}
	documents := []string{
		web,
		`{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}}`,
		`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: shop}, spec: {}}`,
		`{apiVersion: gateway.networking.k8s.io/v1beta1, kind: HTTPRoute, metadata: {name: web, namespace: shop}, spec: {}}`,
	}
	for _, test := range []struct {
		also []remote.Also
		want string
	}{
		{nil, "shop/Pod/web"},
		{[]remote.Also{remote.Entries}, "shop/Pod/web shop/Service.core/web shop/Ingress/web shop/HTTPRoute/web"},
	} {
		set, err := remote.Read(t.Context(), client(t, documents...), routes, "cluster test", test.also...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range set.Objects {
			got = append(got, o.Ref().String())
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("got %s, want %s", text, test.want)
		}
	}
	down := served{err: &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{{Group: "gateway.networking.k8s.io", Version: "v1"}: errors.New("down")}}}
	if _, err := remote.Read(t.Context(), client(t, documents...), down, "cluster test", remote.Entries); err == nil {
		t.Error("whether there are routes is not known, and that is no error")
	}
}

// A policy kind of which nobody can say what there is is there, and told.
func TestPolicyKindsThatCannotBeRead(t *testing.T) {
	policies := func(group string, names ...string) *metav1.APIResourceList {
		l := &metav1.APIResourceList{GroupVersion: group + "/v1"}
		for _, kind := range names {
			l.APIResources = append(l.APIResources, metav1.APIResource{Name: strings.ToLower(kind) + "s", Kind: kind, Verbs: metav1.Verbs{"list"}})
		}
		return l
	}
	served := served{lists: []*metav1.APIResourceList{
		policies("example.org", "FooNetworkPolicy"), policies("k8s.cni.cncf.io", "MultiNetworkPolicy"),
		{GroupVersion: "virtual.example.org/v1", APIResources: []metav1.APIResource{{Name: "x", Kind: "BarNetworkPolicy", Verbs: metav1.Verbs{"create"}}}},
	}}
	c := client(t, web)
	c.PrependReactor("list", "foonetworkpolicys", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "example.org", Resource: "foonetworkpolicys"}, "", errors.New("no"))
	})
	set, err := remote.Read(t.Context(), c, served, "cluster test")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range set.Objects {
		got = append(got, o.Ref().String())
	}
	if diff := cmp.Diff([]string{"shop/Pod/web", "FooNetworkPolicy.example.org/*", "BarNetworkPolicy.virtual.example.org/*"}, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if len(set.Notes) != 2 || !strings.Contains(set.Notes[0].Text, "FooNetworkPolicy.example.org is served and may not be listed") {
		t.Errorf("notes: %v", set.Notes)
	}
}

func TestReadFails(t *testing.T) {
	refused := client(t, web)
	refused.PrependReactor("list", "networkpolicies", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "networking.k8s.io", Resource: "networkpolicies"}, "", errors.New("no"))
	})
	tests := map[string]struct {
		reason string
		client *fake.FakeDynamicClient
		served served
		want   string
	}{
		"ForbiddenKind": {
			reason: "without the netpols every answer is a guess",
			client: refused,
			want:   "list networkpolicies.networking.k8s.io: ",
		},
		"PolicyAPIThatIsDown": {
			reason: "its policies could open anything",
			client: client(t, web),
			served: served{err: &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{{Group: "projectcalico.org", Version: "v3"}: errors.New("down")}}},
			want:   "ask which APIs are served: ",
		},
		"NoDiscovery": {
			reason: "an error that says nothing about groups may hide any",
			client: client(t, web),
			served: served{err: errors.New("no route to host")},
			want:   "ask which APIs are served: no route to host",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := remote.Read(t.Context(), tc.client, tc.served, "cluster test")
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("%s: got %v, want %s...", tc.reason, err, tc.want)
			}
			if forbidden := slices.Contains([]string{"ForbiddenKind"}, name); remote.Forbidden(err) != forbidden {
				t.Errorf("forbidden %v, want %v", remote.Forbidden(err), forbidden)
			}
		})
	}
}
