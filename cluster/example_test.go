package cluster_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
)

// A change makes a new snapshot; the old one stays as it was.
func Example() {
	pod, err := cluster.FromAPI(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Labels: map[string]string{"app": "web"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	before := &cluster.Snapshot{}
	after, err := before.Apply(cluster.Change{After: pod})
	if err != nil {
		fmt.Println(err)
		return
	}
	for w := range after.AllWorkloads() {
		fmt.Println(w.Ref, w.Labels)
	}
	fmt.Println(before.Pods("shop"), "pods before,", after.Pods("shop"), "after")
	// Output:
	// shop/Pod/web app=web
	// 0 pods before, 1 after
}
