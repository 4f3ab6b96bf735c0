package live

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// foreignServer is an API server with some custom resources. It pages by one object.
type foreignServer struct {
	client.Reader
	mu      sync.Mutex
	objects map[string][]string // namespace/name by kind
	errs    map[string]error
}

func (s *foreignServer) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := list.(*metav1.PartialObjectMetadataList)
	var options client.ListOptions
	options.ApplyOptions(opts)
	gvk := l.GroupVersionKind()
	objects := s.objects[gvk.Kind]
	l.Items, l.Continue = nil, ""
	if options.Continue != "" {
		objects = objects[len(options.Continue):]
	}
	if len(objects) > 0 {
		var item metav1.PartialObjectMetadata
		item.Namespace, item.Name = cut(objects[0])
		l.Items = append(l.Items, item)
	}
	if len(objects) > 1 {
		l.Continue = options.Continue + "x"
	}
	return s.errs[gvk.Kind]
}

func cut(object string) (namespace, name string) {
	for i := range object {
		if object[i] == '/' {
			return object[:i], object[i+1:]
		}
	}
	return "", object
}

func TestForeignPolicyAPIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &foreignServer{
			objects: map[string][]string{
				"CiliumNetworkPolicyList":            {"shop/b", "shop/a", "bank/c"},
				"CiliumClusterwideNetworkPolicyList": {"x", "y"},
			},
			errs: map[string]error{"AuthorizationPolicyList": apierrors.NewForbidden(schema.GroupResource{Group: "security.istio.io", Resource: "authorizationpolicies"}, "", nil)},
		}
		discovery := &fakeDiscovery{}
		discovery.serve("cilium.io/CiliumNetworkPolicy", "cilium.io/CiliumClusterwideNetworkPolicy!", "security.istio.io/AuthorizationPolicy", "cilium.io/CiliumEndpoint")
		f := start(t, Options{Reader: server, Discovery: discovery.ask})
		f.listed()
		all := []string{
			"AuthorizationPolicy.security.istio.io/*", "CiliumClusterwideNetworkPolicy.cilium.io/x", "bank/CiliumNetworkPolicy.cilium.io/c", "shop/CiliumNetworkPolicy.cilium.io/a",
		}
		f.want(all...)
		if !f.Synced() {
			t.Error("an API that may not be looked at holds the model up")
		}
		before := f.Snapshot()
		time.Sleep(time.Hour) // of the bubble's clock
		synctest.Wait()
		if f.Snapshot() != before {
			t.Error("looking again and finding the same makes a snapshot")
		}
		if n := f.UnreadPolicyKinds(); n != 1 {
			t.Errorf("%d kinds are told to be unread, want that of Istio", n)
		}
		f.wantLog(`level=WARN msg="policy API cannot be looked at: it counts as if an object were there that may do all that it can" api=AuthorizationPolicy.security.istio.io ` +
			`error="list AuthorizationPolicy.security.istio.io: authorizationpolicies.security.istio.io is forbidden: <nil>"`)

		server.mu.Lock()
		server.objects["CiliumNetworkPolicyList"] = []string{"bank/c"}
		server.errs["CiliumClusterwideNetworkPolicyList"] = apierrors.NewServiceUnavailable("later")
		server.mu.Unlock()
		time.Sleep(time.Minute)
		f.want("AuthorizationPolicy.security.istio.io/*", "CiliumClusterwideNetworkPolicy.cilium.io/x", "bank/CiliumNetworkPolicy.cilium.io/c") // not known to be gone

		server.mu.Lock()
		server.errs["CiliumClusterwideNetworkPolicyList"] = apierrors.NewNotFound(schema.GroupResource{}, "")
		server.errs["AuthorizationPolicyList"] = nil
		server.objects["AuthorizationPolicyList"] = []string{"shop/z"}
		server.mu.Unlock()
		time.Sleep(time.Minute)
		f.want("bank/CiliumNetworkPolicy.cilium.io/c", "shop/AuthorizationPolicy.security.istio.io/z")
	})
}

// fakeDiscovery is an API server that says what it serves, and when that changes.
type fakeDiscovery struct {
	mu      sync.Mutex
	kinds   []ServedKind
	down    []string
	err     error
	version int
	asked   int
}

// serve takes group/Kind, with ! for a kind of the whole cluster and - for one that
// cannot be listed.
func (d *fakeDiscovery) serve(kinds ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kinds, d.version = nil, d.version+1
	for _, k := range kinds {
		group, kind := cut(strings.TrimRight(k, "!-"))
		d.kinds = append(d.kinds, ServedKind{
			GroupVersionKind: schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind},
			Namespaced:       !strings.HasSuffix(k, "!"), Listable: !strings.HasSuffix(k, "-"),
		})
	}
}

func (d *fakeDiscovery) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *fakeDiscovery) ask(_ context.Context, mark string) (Served, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	now := strconv.Itoa(d.version)
	switch {
	case d.err != nil:
		return Served{}, d.err
	case now == mark:
		return Served{Mark: mark, Unchanged: true}, nil
	}
	return Served{Mark: now, Kinds: slices.Clone(d.kinds), Down: d.down}, nil
}

func TestPolicyKindsThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &foreignServer{objects: map[string][]string{"FooNetworkPolicyList": {"shop/a"}, "TierList": {"/default", "/mine"}}, errs: map[string]error{}}
		discovery := &fakeDiscovery{}
		discovery.serve("apps/Deployment")
		f := start(t, Options{Reader: server, Discovery: discovery.ask})
		f.listed()
		f.want()
		time.Sleep(10 * time.Second)
		discovery.serve("apps/Deployment", "example.org/FooNetworkPolicy", "k8s.cni.cncf.io/MultiNetworkPolicy", "projectcalico.org/Tier!", "virtual.example.org/BarNetworkPolicy-")
		time.Sleep(servedPeriod)
		f.want("BarNetworkPolicy.virtual.example.org/*", "Tier.projectcalico.org/mine", "shop/FooNetworkPolicy.example.org/a")

		// The first objects of a new kind follow it.
		server.mu.Lock()
		server.objects["FooNetworkPolicyList"] = []string{"bank/b", "shop/a"}
		server.mu.Unlock()
		time.Sleep(servedPeriod)
		f.want("BarNetworkPolicy.virtual.example.org/*", "Tier.projectcalico.org/mine", "bank/FooNetworkPolicy.example.org/b", "shop/FooNetworkPolicy.example.org/a")

		// While nobody answers, what is known stays.
		discovery.fail(errors.New("not now"))
		time.Sleep(time.Hour)
		f.want("BarNetworkPolicy.virtual.example.org/*", "Tier.projectcalico.org/mine", "bank/FooNetworkPolicy.example.org/b", "shop/FooNetworkPolicy.example.org/a")
		discovery.fail(nil)
		discovery.serve("apps/Deployment")
		time.Sleep(servedPeriod)
		f.want()
		if n := f.UnreadPolicyKinds(); n != 0 {
			t.Errorf("%d kinds are told to be unread, and none is served", n)
		}
	})
}

// An API group of which nobody can say what it serves may serve what it is known for.
func TestPolicyAPIsThatAreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &foreignServer{objects: map[string][]string{"NetworkPolicyList": {"shop/a"}}, errs: map[string]error{}}
		discovery := &fakeDiscovery{down: []string{"crd.antrea.io", "metrics.k8s.io"}}
		discovery.serve("apps/Deployment")
		f := start(t, Options{Reader: server, Discovery: discovery.ask})
		f.listed()
		f.want("ClusterNetworkPolicy.crd.antrea.io/*", "NetworkPolicy.crd.antrea.io/*")

		discovery.down = nil
		discovery.serve("crd.antrea.io/NetworkPolicy")
		time.Sleep(servedPeriod)
		f.want("shop/NetworkPolicy.crd.antrea.io/a")

		discovery.down = []string{"crd.antrea.io"}
		server.mu.Lock()
		server.errs["NetworkPolicyList"] = apierrors.NewServiceUnavailable("down")
		server.mu.Unlock()
		discovery.serve()
		time.Sleep(servedPeriod)
		f.want("ClusterNetworkPolicy.crd.antrea.io/*", "shop/NetworkPolicy.crd.antrea.io/a")
	})
}

func TestNobodyKnowsBeforeDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		discovery := &fakeDiscovery{err: errors.New("403 Forbidden")}
		f := start(t, Options{Reader: &foreignServer{}, Discovery: discovery.ask})
		f.listed()
		time.Sleep(time.Minute)
		if f.Synced() {
			t.Error("it is ready, and does not know whether there are other policy APIs")
		}
		f.wantLog(`level=WARN msg="cannot find out which policy APIs are served, those that are known stay" error="403 Forbidden"`)
		discovery.fail(nil)
		time.Sleep(servedPeriod)
		if !f.Synced() {
			t.Error("it knows, and is not ready")
		}
	})
}
