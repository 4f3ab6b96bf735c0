package cluster

import (
	"time"

	"github.com/podcullis/podcullis/cluster/selector"
)

// Write is what the metadata of an object tells about the last write of it. None of it
// is proof: Manager is what the client calls itself.
type Write struct {
	// Manager and At are of the newest entry of metadata.managedFields. At a deletion
	// there is none, as nobody writes down who deletes.
	Manager string
	At      time.Time
	// ResourceVersion orders writes, of all kinds; empty where it is not known.
	ResourceVersion string
	UID             string
	// Seen is when the watch told of it.
	Seen time.Time
}

// Written is a change of the model, and the write that made it.
type Written struct {
	Ref   Ref
	Write Write
	// Change is the zero Change where its objects are large.
	Change Change
}

// weight is about how many parts an object has that take memory.
func weight(o Object) int {
	switch o := o.(type) {
	case *Namespace:
		return len(o.Labels)
	case *Pod:
		return len(o.Labels) + len(o.Owners) + len(o.Ports) + len(o.IPs)
	case *Template:
		return len(o.Labels) + len(o.ObjectLabels) + len(o.Owners) + len(o.Ports)
	case *Service:
		return len(o.Ports) + selectorWeight(o.Pods)
	case *IngressEntry:
		return len(o.Backends)
	case *Route:
		return len(o.Backends) + len(o.Gateways)
	case *Netpol:
		n := selectorWeight(o.Selector)
		for _, rules := range o.Rules {
			for _, r := range rules {
				n += 1 + len(r.Peers) + len(r.Ports)
				for _, p := range r.Peers {
					n += selectorWeight(p.Namespaces) + selectorWeight(p.Pods)
					if p.Block != nil {
						n += len(p.Block.Except)
					}
				}
			}
		}
		return n
	}
	return 0
}

func selectorWeight(s selector.Selector) int {
	const textOfOne = 16
	return len(s.Key()) / textOfOne
}

// Light reports whether both objects of a change have at most so many parts (labels,
// owners, ports, rules, peers): whoever keeps changes keeps versions that nobody else does.
func (c Change) Light(most int) bool { return weight(c.Before) <= most && weight(c.After) <= most }
