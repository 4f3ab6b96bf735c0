package ledger

import (
	"math/bits"
)

// The toy cluster of the simulator: three namespaces, pods with three labels that are
// there or not, and netpols over them. A pod with label a (a frontend) must not reach one
// with label b (a database). Label z comes with a Binding.

const (
	toyNamespaces = 3
	toyNames      = 3 // of each kind in each namespace
	labelA        = 1
	labelB        = 2
	labelZ        = 4
	classes       = 8 // of pods in a namespace
)

type toyKind uint8

const (
	toyNS toyKind = iota
	toyPod
	toyTemplate
	toyNetpol
	toyKinds
)

var (
	toyResources      = [toyKinds]string{"namespaces", "pods", "deployments.apps", "networkpolicies.networking.k8s.io"}
	toyKindNames      = [toyKinds]string{"Namespace", "Pod", "Deployment", "NetworkPolicy"}
	toyNamespaceNames = [toyNamespaces]string{"red", "green", "blue"}
	toyObjectNames    = [toyNames]string{"0", "1", "2"}
)

// toyKey is an object's identity.
type toyKey struct {
	kind     toyKind
	ns, name uint8
}

// toyObject is what an object says. The zero one is not there.
type toyObject struct {
	there bool
	uid   uint32
	rv    uint64
	// label is that of a Namespace (0 or 1), or the labels of a pod or a template's pods.
	label uint8
	bound bool
	// owner is the uid of the template that made a pod, if one did.
	owner uint32
	rule  toyRule
}

// toyRule is the spec of a netpol: it selects pods, isolates them, and lets peers in or out.
type toyRule struct {
	mask, value         uint8
	ingress, egress     bool
	nothing             bool // no rule at all: default-deny
	peerNS              uint8
	peerMask, peerValue uint8
}

const anyNS = 2

// toy is a cluster.
type toy struct {
	objects [toyKinds][toyNamespaces][toyNames]toyObject
}

func (c *toy) at(k toyKey) *toyObject { return &c.objects[k.kind][k.ns][k.name] }

// selected are, for a mask and a value, the classes that have those labels.
var selected = func() (out [8][8]uint8) {
	for mask := range uint8(8) {
		for value := range uint8(8) {
			for class := range uint8(classes) {
				if class&mask == value&mask {
					out[mask][value] |= 1 << class
				}
			}
		}
	}
	return out
}()

// forbiddenFrom and forbiddenTo are the classes of a forbidden path, in each namespace.
var forbiddenFrom, forbiddenTo = everywhere(selected[labelA][labelA]), everywhere(selected[labelB][labelB])

func everywhere(classes uint8) uint32 {
	return uint32(classes) | uint32(classes)<<8 | uint32(classes)<<16
}

// paths are those that are open, of the forbidden ones: by source, the destinations.
// A node is a class in a namespace.
type paths [toyNamespaces * classes]uint32

func (p *paths) less(o *paths) (out paths, any bool) {
	for i := range p {
		out[i] = p[i] &^ o[i]
		any = any || out[i] != 0
	}
	return out, any
}

func (p *paths) add(o *paths) {
	for i := range p {
		p[i] |= o[i]
	}
}

// ghosts are pods that may be there beside the cluster's, by namespace.
type ghosts [toyNamespaces]uint8

// open is what the webhook knows of reachability: classes instead of pods, all at once.
func (c *toy) open(extra *ghosts) (out paths) {
	var present uint32
	for ns := range toyNamespaces {
		there := extra[ns]
		for name := range toyNames {
			if p := &c.objects[toyPod][ns][name]; p.there {
				there |= 1 << p.label
			}
			if t := &c.objects[toyTemplate][ns][name]; t.there {
				there |= 1<<t.label | 1<<(t.label|labelZ)
			}
		}
		present |= uint32(there) << (ns * classes)
	}
	if present&forbiddenFrom == 0 || present&forbiddenTo == 0 {
		return out
	}
	var isolatedIn, isolatedOut uint32
	var in, to [toyNamespaces * classes]uint32
	for ns := range toyNamespaces {
		for name := range toyNames {
			n := &c.objects[toyNetpol][ns][name]
			if !n.there {
				continue
			}
			picked := uint32(selected[n.rule.mask][n.rule.value]) << (ns * classes)
			peers := uint32(0)
			for other := range toyNamespaces {
				if !n.rule.nothing && (n.rule.peerNS == anyNS || c.objects[toyNS][other][0].label == n.rule.peerNS) {
					peers |= uint32(selected[n.rule.peerMask][n.rule.peerValue]) << (other * classes)
				}
			}
			if n.rule.ingress {
				isolatedIn |= picked
			}
			if n.rule.egress {
				isolatedOut |= picked
			}
			for left := picked & present; left != 0; left &= left - 1 {
				i := bits.TrailingZeros32(left)
				if n.rule.ingress {
					in[i] |= peers
				}
				if n.rule.egress {
					to[i] |= peers
				}
			}
		}
	}
	for sources := present & forbiddenFrom; sources != 0; sources &= sources - 1 {
		i := bits.TrailingZeros32(sources)
		reach := present & forbiddenTo
		if isolatedOut&(1<<i) != 0 {
			reach &= to[i]
		}
		for left := reach; left != 0; left &= left - 1 {
			j := bits.TrailingZeros32(left)
			if isolatedIn&(1<<j) == 0 || in[j]&(1<<i) != 0 {
				out[i] |= 1 << j
			}
		}
	}
	return out
}
