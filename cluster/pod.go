package cluster

import (
	"net/netip"

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

// Owner is the controller of an object: its metadata.ownerReferences entry with
// controller: true.
type Owner struct {
	Kind string
	Name string
}

// Pod is what the model keeps of a v1 Pod.
type Pod struct {
	Namespace   string
	Name        string
	UID         string
	Labels      labels.Set
	Controller  *Owner
	Ports       []NamedPort
	HostNetwork bool
	// Bound is set when the pod has a node: from then on it has the topology
	// labels that it gets.
	Bound bool
	// IPs are status.podIPs; empty until the kubelet has set them.
	IPs []netip.Addr
	// Gone is set for a Succeeded or Failed pod: it sends and receives nothing
	// any more, so Apply takes it for deleted.
	Gone bool
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
// StatefulSet, DaemonSet, ReplicaSet, Job or CronJob.
type Template struct {
	Namespace   string
	Kind        string
	Name        string
	Labels      labels.Set
	Controller  *Owner
	Ports       []NamedPort
	HostNetwork bool
	// Idle is set when the template makes no pods now: a finished Job, a
	// ReplicaSet scaled to zero.
	Idle bool
	// FirstOrdinal is where a StatefulSet begins to count its pods.
	FirstOrdinal int32
	// Indexed is set for a Job, or the Jobs of a CronJob, that numbers its pods.
	Indexed bool
	// OwnSelector is set for a Job that brings its selector: the API server then
	// adds no labels to its template.
	OwnSelector bool
}

// Ref implements Object.
func (t *Template) Ref() Ref { return Ref{Namespace: t.Namespace, Kind: t.Kind, Name: t.Name} }
