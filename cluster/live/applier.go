package live

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/cluster"
)

// follow applies what gathers in the queue until ctx ends.
func (m *Model) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.queue.wake:
		}
		batch := m.queue.take()
		m.apply(ctx, batch)
		for _, e := range batch {
			if e.applied != nil {
				e.applied()
			}
		}
		if !m.Synced() {
			close(m.synced) // the first wake comes when the queue is opened
		}
	}
}

// apply makes the next snapshot. Whatever goes wrong, the model is built anew
// from the cache: a snapshot that lacks a change must not stay.
func (m *Model) apply(ctx context.Context, batch []event) {
	defer func() {
		if p := recover(); p != nil {
			m.log.Error("applying changes panicked, building the model anew", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			m.rebuild(ctx)
		}
	}()
	now := m.Snapshot()
	changes := m.changes(now, batch)
	if len(changes) == 0 {
		return
	}
	next, err := now.Apply(changes...)
	if err != nil {
		m.log.Error("changes do not apply, building the model anew", "error", err)
		m.rebuild(ctx)
		return
	}
	m.publish(next)
}

// changes keeps the last event of each object, and of these the ones that
// change the model: most updates of pods and workloads are about their status.
func (m *Model) changes(now *cluster.Snapshot, batch []event) []cluster.Change {
	last := make(map[cluster.Ref]int, len(batch))
	for i, e := range batch {
		last[e.ref] = i
	}
	var changes []cluster.Change
	for i, e := range batch {
		if last[e.ref] != i || e.applied != nil {
			continue
		}
		before := current(now, e.ref)
		after := m.object(e, before)
		switch {
		case after == nil && before == nil: // as it was
		case reflect.DeepEqual(before, after):
		default:
			changes = append(changes, cluster.Change{Before: before, After: after})
		}
	}
	return changes
}

// object is what an event says the object is now; nil when it is gone. One that
// cannot be read at all stays as it was before.
func (m *Model) object(e event, before cluster.Object) cluster.Object {
	switch {
	case e.foreign != nil:
		return e.foreign
	case e.api != nil:
		o := m.read(e.ref, e.api)
		if o == nil {
			return before
		}
		if p, ok := o.(*cluster.Pod); ok && p.Gone {
			return nil
		}
		return o
	}
	delete(m.complaints, e.ref)
	return nil
}

// read converts an object and logs, once, what is wrong with it.
func (m *Model) read(ref cluster.Ref, api runtime.Object) (o cluster.Object) {
	defer func() {
		if p := recover(); p != nil {
			m.complain(ref, fmt.Errorf("panic: %v", p))
			o = unreadable(api)
		}
	}()
	o, err := m.fromAPI(api)
	m.complain(ref, err)
	return o
}

func (m *Model) complain(ref cluster.Ref, err error) {
	if err == nil {
		delete(m.complaints, ref)
		return
	}
	if m.complaints[ref] == err.Error() {
		return
	}
	m.complaints[ref] = err.Error()
	m.log.Warn("object cannot be read fully, what it touches is unknown", "object", ref.String(), "error", err)
}

// unreadable stands for an object of which nothing can be said but that it is
// there: a netpol that may select anything and let anything through.
func unreadable(api runtime.Object) cluster.Object {
	np, ok := api.(*networkingv1.NetworkPolicy)
	if !ok {
		return nil
	}
	n, _ := cluster.NewNetpol(&networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: np.Namespace, Name: np.Name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Operator: "Unreadable"}}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{}}}},
			Egress:      []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{}}}},
		},
	})
	return n
}

// current is the object of that identity in a snapshot, nil when there is none.
func current(s *cluster.Snapshot, ref cluster.Ref) cluster.Object {
	switch {
	case ref.Kind == "Namespace":
		if n, ok := s.Namespace(ref.Name); ok && !n.Implied {
			return n
		}
	case ref.Kind == "Pod":
		if p, ok := s.Pod(ref.Namespace, ref.Name); ok {
			return p
		}
	case ref.Kind == "NetworkPolicy":
		if n, ok := s.Netpol(ref.Namespace, ref.Name); ok {
			return n
		}
	case strings.Contains(ref.Kind, "."): // see cluster.Foreign.Ref
		for f := range s.Foreign() {
			if f.Ref() == ref {
				return f
			}
		}
	default:
		if t, ok := s.Template(ref); ok {
			return t
		}
	}
	return nil
}

// rebuild makes the snapshot from what the cache holds. Events that are still in
// the queue may be older than that; the ones after them are there, too.
func (m *Model) rebuild(ctx context.Context) {
	var objects []cluster.Object
	var refs []cluster.Ref // of objects; one that panics may do so when asked for its own
	for f := range m.Snapshot().Foreign() {
		objects, refs = append(objects, f), append(refs, f.Ref())
	}
	for _, k := range kinds() {
		list := k.list()
		if err := m.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			m.log.Error("cache cannot be listed, keeping the model as it was", "kind", k.name, "error", err)
			return
		}
		_ = meta.EachListItem(list, func(api runtime.Object) error {
			if a, err := meta.Accessor(api); err == nil {
				ref := cluster.Ref{Namespace: a.GetNamespace(), Kind: k.name, Name: a.GetName()}
				if o := m.read(ref, api); o != nil {
					objects, refs = append(objects, o), append(refs, ref)
				}
			}
			return nil
		})
	}
	s, err := build(objects)
	if err == nil {
		m.publish(s)
		return
	}
	// One of them does not fit; all others must stay. This is slow, and better
	// than not starting.
	s = &cluster.Snapshot{}
	for i, o := range objects {
		next, err := add(s, o)
		if err != nil {
			m.log.Error("object does not fit the model", "object", refs[i].String(), "error", err)
			continue
		}
		s = next
	}
	m.publish(s)
}

func build(objects []cluster.Object) (s *cluster.Snapshot, err error) {
	defer recovered(&err)
	return cluster.New(objects...)
}

func add(s *cluster.Snapshot, o cluster.Object) (next *cluster.Snapshot, err error) {
	defer recovered(&err)
	return s.Apply(cluster.Change{After: o})
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}
