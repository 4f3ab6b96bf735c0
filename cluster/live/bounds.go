package live

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/podcullis/podcullis/cluster"
)

// boundObject stands, on the way into the model, for an object that holds more than the
// bounds: what it holds is let go of as soon as it has been counted, so that many such
// objects do not wait in the queue together.
type boundObject struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	model cluster.Object
	err   error // of what there is too much
}

// DeepCopyObject implements runtime.Object.
func (o *boundObject) DeepCopyObject() runtime.Object {
	c := *o
	c.ObjectMeta = *o.DeepCopy()
	return &c
}

// trimmer is trim, for some bounds.
func trimmer(b cluster.Bounds, documents kept) toolscache.TransformFunc {
	return documents.beside(func(in any) (any, error) {
		if np, ok := in.(*networkingv1.NetworkPolicy); ok {
			if small := counted(b, np); small != nil {
				return small, nil
			}
		}
		return trim(in)
	})
}

// counted is what is kept of a netpol that holds more than the bounds; nil for one that
// does not.
func counted(b cluster.Bounds, np *networkingv1.NetworkPolicy) (out *boundObject) {
	meta := trimMeta(&np.ObjectMeta)
	defer func() {
		if p := recover(); p != nil {
			out = &boundObject{ObjectMeta: meta, model: unreadable(np), err: fmt.Errorf("panic: %v", p)}
		}
	}()
	n, err := b.OverNetpol(np)
	if n == nil {
		return nil
	}
	return &boundObject{ObjectMeta: meta, model: n, err: err}
}

// reader is cluster.FromAPI for what the feeds put into the queue.
func reader(b cluster.Bounds) func(runtime.Object) (cluster.Object, error) {
	return func(o runtime.Object) (cluster.Object, error) {
		switch o := o.(type) {
		case *documented:
			return o.read(b)
		case *boundObject:
			return o.model, o.err
		case *customObject:
			return o.model, o.err
		}
		return b.FromAPI(o)
	}
}
