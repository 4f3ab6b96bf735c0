package live

import (
	"errors"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
)

// What is more than is read does not wait in the queue as it came.
func TestWhatIsOverABoundIsLetGoOfAtOnce(t *testing.T) {
	bounds := cluster.Bounds{Netpol: 100}
	trim, read := trimmer(bounds, nil), reader(bounds)
	netpol := func(peers int) *networkingv1.NetworkPolicy {
		return &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "n", ResourceVersion: "7"},
			Spec:       networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{From: make([]networkingv1.NetworkPolicyPeer, peers)}}},
		}
	}
	kept, err := trim(netpol(101))
	if err != nil {
		t.Fatal(err)
	}
	again, err := trim(kept)
	if small, ok := kept.(*boundObject); !ok || err != nil || again != kept || small.ResourceVersion != "7" {
		t.Fatalf("kept as %T, and trimmed again as %T (%v)", kept, again, err)
	}
	o, err := read(kept.(runtime.Object))
	if n, ok := o.(*cluster.Netpol); !ok || n.Over == "" || !errors.Is(err, cluster.ErrOverBound) {
		t.Errorf("read as %+v, %v", o, err)
	}
	if kept, _ := trim(netpol(100)); !isNetpol(kept) {
		t.Errorf("a netpol within the bounds is kept as %T", kept)
	}
}

func isNetpol(o any) bool { _, ok := o.(*networkingv1.NetworkPolicy); return ok }
