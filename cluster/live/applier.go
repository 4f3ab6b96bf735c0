package live

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
)

// follow applies what gathers in the queue until ctx ends.
func (m *Model) follow(ctx context.Context) {
	sweep := time.NewTicker(sweepPeriod)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			if m.memory.Len() > 0 {
				m.publish(m.Snapshot()) // what is too long ago is forgotten
			}
			continue
		case <-m.queue.wake:
		}
		batch := m.queue.take()
		m.announce(batch)
		m.apply(batch.events)
		m.remember()
		m.tell(batch)
		for _, e := range batch.events {
			if e.applied != nil {
				e.applied()
			}
		}
		if !m.Synced() {
			close(m.synced) // the first wake comes when the queue is opened
		}
	}
}

// apply makes the next snapshot.
func (m *Model) apply(batch []event) {
	now := m.Snapshot()
	if changes, refs := m.changes(now, batch); len(changes) > 0 {
		m.publish(m.after(now, changes, refs))
	}
}

// sweepPeriod is how often the memory is looked through while nothing happens.
const sweepPeriod = 10 * time.Second

// after is the snapshot after the changes of the objects that refs name. One that cannot be applied harms no
// other: it is searched for by halves, and what it is about stays as it was.
func (m *Model) after(s *cluster.Snapshot, changes []cluster.Change, refs []cluster.Ref) *cluster.Snapshot {
	next, err := applied(s, changes...)
	switch half := len(changes) / 2; {
	case err == nil:
		return next
	case half == 0:
		m.log.Error("object does not fit the model and stays as it was", "object", subject(changes[0]), "error", err)
		m.missed(refs[0])
		return s
	default:
		return m.after(m.after(s, changes[:half], refs[:half]), changes[half:], refs[half:])
	}
}

// applied is Apply; a panic is an error.
func applied(s *cluster.Snapshot, changes ...cluster.Change) (next *cluster.Snapshot, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v at %s", p, debug.Stack())
		}
	}()
	return s.Apply(changes...)
}

// subject is what a change is about, even if the object cannot tell.
func subject(c cluster.Change) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T", c.After)
		}
	}()
	return c.Ref().String()
}

// changes keeps the last event of each object, and of these the ones that
// change the model, with what they are about: most updates of pods and workloads are
// about their status.
func (m *Model) changes(now *cluster.Snapshot, batch []event) (changes []cluster.Change, refs []cluster.Ref) {
	last := make(map[cluster.Ref]int, len(batch))
	for i, e := range batch {
		last[e.ref] = i
	}
	for i, e := range batch {
		if last[e.ref] != i || e.applied != nil {
			continue
		}
		before := current(now, e.ref)
		delete(m.unapplied, e.ref)
		after := m.object(e, before)
		switch {
		case after == nil && before == nil: // as it was
		case cluster.Same(before, after):
		default:
			changes, refs = append(changes, cluster.Change{Before: before, After: after}), append(refs, e.ref)
			m.noteWrite(e.ref, changes[len(changes)-1], e.write)
		}
	}
	return changes, refs
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
			if o = unreadable(api); o == nil {
				m.missed(ref)
			}
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
	if d, ok := api.(*documented); ok {
		api = d.trimmed
	}
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
		if t, ok := s.Template(ref); ok { // see cluster.CustomKind
			return t
		}
	default:
		if t, ok := s.Template(ref); ok {
			return t
		}
	}
	if e, ok := s.Entry(ref); ok {
		return e
	}
	return nil
}
