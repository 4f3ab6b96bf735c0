package connectivity_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// Deleting the netpol that isolates the database opens a path to it.
func Example() {
	pod := func(name string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": name}}}
	}
	deny := &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shut-the-database"},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}},
	}
	before := &cluster.Snapshot{}
	for _, o := range []runtime.Object{pod("web"), pod("db"), deny} {
		object, err := cluster.FromAPI(o)
		if err != nil {
			fmt.Println(err)
			return
		}
		if before, err = before.Apply(cluster.Change{After: object}); err != nil {
			fmt.Println(err)
			return
		}
	}
	netpol, _ := before.Netpol("shop", "shut-the-database")
	after, err := before.Apply(cluster.Change{Before: netpol})
	if err != nil {
		fmt.Println(err)
		return
	}

	everyone := connectivity.Query{From: connectivity.Everyone(), To: connectivity.Everyone()}
	for _, c := range connectivity.Opened(before, after, everyone, connectivity.Options{}) {
		fmt.Printf("%s could reach %s on %s\n", c.From, c.To, c.Ports)
	}
	// Output: shop/Pod/web could reach shop/Pod/db on all ports
}
