package cluster

import (
	"crypto/sha256"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// Protocol is a transport protocol that a NetworkPolicy can name.
type Protocol uint8

// The protocols of v1.Protocol. SCTP is one like the others (KEP-614).
const (
	TCP Protocol = iota
	UDP
	SCTP
	protocols
)

// Protocols lists every protocol in the order in which they are printed.
func Protocols() [3]Protocol { return [3]Protocol{TCP, UDP, SCTP} }

// String is the protocol's name in the Kubernetes API.
func (p Protocol) String() string {
	return [...]string{TCP: "TCP", UDP: "UDP", SCTP: "SCTP"}[p]
}

// ParseProtocol reads a name as the Kubernetes API spells it.
func ParseProtocol(s string) (Protocol, bool) {
	for _, p := range Protocols() {
		if p.String() == s {
			return p, true
		}
	}
	return TCP, false
}

// NamedPort is a container port with a name (v1.ContainerPort).
type NamedPort struct {
	Name     string
	Protocol Protocol
	Port     uint16
}

// DeclaredPort is a container port by its number. That it is declared opens nothing, and that
// it is not shuts nothing: it is what whoever wrote the pod says that it serves.
type DeclaredPort struct {
	Protocol Protocol
	Port     uint16
}

// Owner is an entry of an object's metadata.ownerReferences. It is a claim that
// anybody can write; what bears it out is in membership.go.
type Owner struct {
	Group, Kind, Name string
	// UID is empty in files, and in reviews of objects that nobody has stored.
	UID string
	// Controller is set for the one owner that manages the object.
	Controller bool
}

// ControllerOf is the owner that manages an object; nil when none does.
func ControllerOf(owners []Owner) *Owner {
	for i := range owners {
		if owners[i].Controller {
			return &owners[i]
		}
	}
	return nil
}

// Pod is what the model keeps of a v1 Pod.
type Pod struct {
	Namespace string
	Name      string
	UID       string
	Labels    labels.Set
	Owners    []Owner
	Ports     []NamedPort
	// Declared are the ports that its containers show, named or not.
	Declared    []DeclaredPort
	HostNetwork bool
	// Bound is set when the pod has a node: from then on it has the topology
	// labels that it gets.
	Bound bool
	// IPs are status.podIPs; empty until the kubelet has set them.
	IPs []netip.Addr
	// Unread is what is not known of it, and digest tells that from something else.
	Unread Unread
	digest [sha256.Size]byte
	// DeletedAt is metadata.deletionTimestamp, when the pod is to be gone; zero
	// while it lives. Until then it runs and is a peer like any other.
	DeletedAt time.Time
	// Gone is set for a Succeeded or Failed pod: it sends and receives nothing
	// any more, so Apply takes it for deleted.
	Gone bool
	// Document is the whole object, where it is kept.
	Document *Document
}

// Ref implements Object.
func (p *Pod) Ref() Ref { return Ref{Namespace: p.Namespace, Kind: "Pod", Name: p.Name} }

// WithLabels is the pod as it is after a change of its labels alone.
func (p *Pod) WithLabels(l labels.Set) *Pod {
	q := *p
	q.Labels = l
	return &q
}

// BoundWith is the pod as it is once it is bound to a node, with the labels that it
// has from then on.
func (p *Pod) BoundWith(l labels.Set) *Pod {
	q := p.WithLabels(l)
	q.Bound = true
	return q
}

// Template is the pod template of an object that creates pods: a Deployment,
// StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job or CronJob. It counts as long as the
// object is there, whatever its replicas and status say: who scales it is not asked.
type Template struct {
	Namespace string
	Group     string
	Kind      string
	Name      string
	UID       string
	// Labels are those of the pods, ObjectLabels the object's own, of kinds that
	// others make.
	Labels       labels.Set
	ObjectLabels labels.Set
	// Selector is spec.selector, by which the object knows its own. A CronJob has none.
	Selector    OwnSelector
	Owners      []Owner
	Ports       []NamedPort
	Declared    []DeclaredPort
	HostNetwork bool
	// DeletedAt is metadata.deletionTimestamp; zero while the object lives.
	DeletedAt time.Time
	// Orphans is set when the deletion of the object spares what it made.
	Orphans bool
	// FirstOrdinal is where a StatefulSet begins to count its pods.
	FirstOrdinal int32
	// Indexed is set for a Job, or the Jobs of a CronJob, that numbers its pods.
	Indexed bool
	// OwnSelector is set for a Job that brings its selector: the API server then
	// adds no labels to its template.
	OwnSelector bool
	// Unread is what is not known of it, and digest tells that from something else.
	Unread Unread
	digest [sha256.Size]byte
	// Document is the whole object, where it is kept.
	Document *Document
}

// Ref implements Object.
func (t *Template) Ref() Ref { return Ref{Namespace: t.Namespace, Kind: t.Kind, Name: t.Name} }
