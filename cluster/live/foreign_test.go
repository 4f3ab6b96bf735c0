package live

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/cluster"
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
		// Calico and Antrea are not installed.
		mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: "cilium.io", Version: "v2"}, {Group: "security.istio.io", Version: "v1"}})
		mapper.Add(schema.GroupVersionKind{Group: "cilium.io", Version: "v2", Kind: "CiliumNetworkPolicy"}, meta.RESTScopeNamespace)
		mapper.Add(schema.GroupVersionKind{Group: "cilium.io", Version: "v2", Kind: "CiliumClusterwideNetworkPolicy"}, meta.RESTScopeRoot)
		mapper.Add(schema.GroupVersionKind{Group: "security.istio.io", Version: "v1", Kind: "AuthorizationPolicy"}, meta.RESTScopeNamespace)
		server := &foreignServer{
			objects: map[string][]string{
				"CiliumNetworkPolicyList":            {"shop/b", "shop/a", "bank/c"},
				"CiliumClusterwideNetworkPolicyList": {"x", "y"},
			},
			errs: map[string]error{"AuthorizationPolicyList": apierrors.NewForbidden(schema.GroupResource{Group: "security.istio.io", Resource: "authorizationpolicies"}, "", nil)},
		}
		f := start(t, Options{Reader: server, Mapper: mapper})
		f.listed()
		all := []string{
			"CiliumClusterwideNetworkPolicy.cilium.io/x", "bank/CiliumNetworkPolicy.cilium.io/c", "shop/CiliumNetworkPolicy.cilium.io/a",
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
		f.wantLog(`level=WARN msg="policy API cannot be looked at, its presence is not known" api=AuthorizationPolicy.security.istio.io ` +
			`error="authorizationpolicies.security.istio.io is forbidden: <nil>"`)

		server.mu.Lock()
		server.objects["CiliumNetworkPolicyList"] = []string{"bank/c"}
		server.errs["CiliumClusterwideNetworkPolicyList"] = apierrors.NewServiceUnavailable("later")
		server.mu.Unlock()
		time.Sleep(time.Minute)
		f.want("CiliumClusterwideNetworkPolicy.cilium.io/x", "bank/CiliumNetworkPolicy.cilium.io/c") // not known to be gone

		server.mu.Lock()
		server.errs["CiliumClusterwideNetworkPolicyList"] = apierrors.NewNotFound(schema.GroupResource{}, "")
		server.errs["AuthorizationPolicyList"] = nil
		server.objects["AuthorizationPolicyList"] = []string{"shop/z"}
		server.mu.Unlock()
		time.Sleep(time.Minute)
		f.want("bank/CiliumNetworkPolicy.cilium.io/c", "shop/AuthorizationPolicy.security.istio.io/z")
	})
}

func TestForeignKindsAreThoseOfTheModel(t *testing.T) {
	for _, gk := range ForeignKinds() {
		if !cluster.ForeignKind(gk.Group, gk.Kind) {
			t.Errorf("the model does not know %s", gk)
		}
	}
}
