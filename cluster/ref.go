package cluster

import (
	"cmp"
	"crypto/sha256"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// Ref names one object of the model. Namespace is empty for a Namespace.
type Ref struct {
	Namespace string
	Kind      string
	Name      string
}

// String is how people see a ref: "shop/Deployment/web", or "Namespace/shop" for
// an object without a namespace.
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + "/" + r.Name
	}
	return r.Namespace + "/" + r.Kind + "/" + r.Name
}

// KindText is the kind as people write it: a Service of Kubernetes itself is kept apart
// from others of that kind only within the model.
func (r Ref) KindText() string { return strings.TrimSuffix(r.Kind, ".core") }

// Compare orders refs by namespace, kind and name.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(
		cmp.Compare(r.Namespace, o.Namespace),
		cmp.Compare(r.Kind, o.Kind),
		cmp.Compare(r.Name, o.Name),
	)
}

// Object is one thing of the model: a *Namespace, *Pod, *Template, *Netpol, *Foreign or an Entry.
type Object interface {
	// Ref is the object's identity in the model.
	Ref() Ref
}

// Namespace is what the model keeps of a v1 Namespace.
type Namespace struct {
	Name string
	UID  string
	// Labels always hold kubernetes.io/metadata.name (KEP-2161).
	Labels labels.Set
	// DeletedAt is metadata.deletionTimestamp; zero while the namespace lives.
	DeletedAt time.Time
	// Implied is set when no Namespace object was seen: only some object's
	// metadata.namespace names it, so labels other than its name are not known.
	Implied bool
	// left is set beside Implied when the Namespace object was deleted and something
	// of it is still there: Labels are then those that it had.
	left bool
	// Unread is set when it has too many labels to be read: all but its name are left
	// out. digest tells them from others.
	Unread Unread
	digest [sha256.Size]byte
	// Document is the whole object, where it is kept.
	Document *Document
}

// Ref implements Object.
func (n *Namespace) Ref() Ref { return Ref{Kind: "Namespace", Name: n.Name} }

// Terminating reports whether the namespace is being deleted.
func (n *Namespace) Terminating() bool { return !n.DeletedAt.IsZero() }

func impliedNamespace(name string) *Namespace {
	return &Namespace{Name: name, Labels: labels.Set{nameLabel: name}, Implied: true}
}

// nameLabel is on every Namespace, set by the API server (KEP-2161).
const nameLabel = "kubernetes.io/metadata.name"
