package reading

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/pager"

	"github.com/podcullis/podcullis/doctor"
)

// Network reads who enforces: DaemonSets, their ConfigMaps that decide, and Nodes.
func Network(ctx context.Context, client kubernetes.Interface, f *doctor.Facts) {
	DaemonSets(ctx, client, f)
	err := each(ctx, client.CoreV1().Nodes().List, func(o runtime.Object) {
		if n, ok := o.(*corev1.Node); ok {
			f.Nodes = append(f.Nodes, n)
		}
	})
	note(f, "nodes", err)
}

// DaemonSets reads who enforces as far as DaemonSets and their ConfigMaps show it.
func DaemonSets(ctx context.Context, client kubernetes.Interface, f *doctor.Facts) {
	err := each(ctx, client.AppsV1().DaemonSets("").List, func(o runtime.Object) {
		if d, ok := o.(*appsv1.DaemonSet); ok {
			f.DaemonSets = append(f.DaemonSets, d)
		}
	})
	note(f, "daemonsets", err)
	configMaps(ctx, client, f)
}

// configMaps reads those that decide whether the DaemonSets of f enforce.
func configMaps(ctx context.Context, client kubernetes.Interface, f *doctor.Facts) {
	for _, ref := range doctor.Wanted(f.DaemonSets) {
		c, err := client.CoreV1().ConfigMaps(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err): // its default then
		case err != nil:
			note(f, fmt.Sprintf("configmaps %s/%s", ref.Namespace, ref.Name), err)
		default:
			f.ConfigMaps = append(f.ConfigMaps, c)
		}
	}
}

// each calls heed with every object of a list, page by page.
func each[L runtime.Object](ctx context.Context, list func(context.Context, metav1.ListOptions) (L, error), heed func(runtime.Object)) error {
	return pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return list(ctx, o)
	}).EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error {
		heed(o)
		return nil
	})
}

// note says that something could not be read.
func note(f *doctor.Facts, what string, err error) {
	if err != nil {
		f.Unseen = append(f.Unseen, doctor.Unseen{What: what, Why: err.Error()})
	}
}
