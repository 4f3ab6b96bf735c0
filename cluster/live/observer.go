package live

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
)

// Observer is told what the snapshot holds, in the order in which it came to be so. It
// is called by the goroutine that makes the snapshots, and must not wait for anything.
type Observer interface {
	// Observed tells of one event that is in the snapshot now, or has been overtaken
	// there by a newer one.
	Observed(Observation)
	// Applied tells that the snapshot holds all that happened to a resource until a
	// resourceVersion. The version may go back: an API server can be restored.
	Applied(resource, resourceVersion string)
	// Listed tells that the next snapshot holds the objects of a resource as a list of that
	// resourceVersion has them. It comes before that snapshot is shown.
	Listed(resource, resourceVersion string)
}

// Observation is what a watch, or the object's place in a list, said of an object. That
// an object is missing in a list is none: nobody says when it went, nor which one it was.
type Observation struct {
	// Resource is plural, with its group: "pods", "networkpolicies.networking.k8s.io".
	Resource string
	Ref      cluster.Ref
	UID      types.UID
	// ResourceVersion is the object's; of one that was deleted, that of its deletion.
	ResourceVersion string
	Deleted         bool
	Terminating     bool
	// Bound is set for a pod with a node.
	Bound bool
}

// observation is what an object says of itself.
func (f *feed) observation(name types.NamespacedName, m metav1.Object, o any) *Observation {
	if !f.listens {
		return nil
	}
	pod, isPod := o.(*corev1.Pod)
	return &Observation{
		Resource: f.resource, Ref: f.ref(name), UID: m.GetUID(), ResourceVersion: m.GetResourceVersion(),
		Terminating: m.GetDeletionTimestamp() != nil,
		Bound:       isPod && pod.Spec.NodeName != "",
	}
}

// UpdateResourceVersion implements toolscache.ResourceVersionUpdater: the reflector
// calls it when all until then is in the queue, at bookmarks too.
func (f *feed) UpdateResourceVersion(version string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listens && (f.caught == 0 || versionOf(version) > f.caught) {
		f.queue.reach(f.resource, version)
	}
}

// announce tells the observer of the lists in a batch that is to be applied.
func (m *Model) announce(b batch) {
	for resource, version := range b.listed {
		m.observer.Listed(resource, version)
	}
}

// tell tells the observer of a batch that was applied. What could not be applied is
// not in the snapshot: nobody is told of it, nor that its resource is any further,
// until a newer event of the object is applied or it is gone.
func (m *Model) tell(b batch) {
	if m.observer == nil {
		return
	}
	for _, e := range b.events {
		if _, missing := m.unapplied[e.ref]; e.seen != nil && !missing {
			m.observer.Observed(*e.seen)
		}
	}
	behind := map[string]bool{}
	for ref := range m.unapplied {
		behind[m.resourceOf(ref.Kind)] = true
	}
	for resource, version := range b.reached {
		if !behind[resource] {
			m.observer.Applied(resource, version)
		}
	}
}

// missed keeps in mind that the snapshot does not hold the newest state of an object.
func (m *Model) missed(ref cluster.Ref) {
	if m.observer != nil {
		m.unapplied[ref] = struct{}{}
	}
}

func (m *Model) resourceOf(kind string) string {
	for _, k := range m.kinds {
		if k.name == kind {
			return k.resource.GroupResource().String()
		}
	}
	return ""
}
