package connectivity

import (
	"cmp"
	"slices"
)

// without is what is left of the connections when some reasons count as blocked.
func without(all []Connection, blocked []Uncertainty) []Connection {
	if len(blocked) == 0 {
		return all
	}
	out := all[:0]
	for _, c := range all {
		if c = c.without(blocked); !c.Ports.Empty() {
			out = append(out, c)
		}
	}
	return out
}

// without leaves the ports that each side lets through for a reason that counts.
func (c Connection) without(blocked []Uncertainty) Connection {
	if c.Unknown == "" {
		return c
	}
	var lets [2]PortSet
	var asked [2]bool // a side outside the cluster says nothing
	var because []Because
	ports := c.Ports
	for _, b := range c.Because {
		counts := !slices.Contains(blocked, b.Unknown)
		if counts {
			because = append(because, b)
		}
		switch {
		case !b.doubtsAll():
			asked[b.Direction] = true
			if counts {
				lets[b.Direction] = lets[b.Direction].Union(b.Ports)
			}
		case !counts:
			ports = ports.Subtract(b.Ports)
		}
	}
	for d := range lets {
		if asked[d] {
			ports = ports.Intersect(lets[d])
		}
	}
	c.Ports, c.Because, c.Unknown = ports, within(because, ports), cmp.Or(firstUnknown(within(because, ports)), c.Unknown)
	return c
}

func firstUnknown(list []Because) Uncertainty {
	for _, b := range list {
		if b.Unknown != "" {
			return b.Unknown
		}
	}
	return ""
}

// doubtsAll reports whether the reason lets nothing through, and puts in doubt
// whatever is let through: whether it is asked about, or was open before.
func (r Reason) doubtsAll() bool {
	return r.Restricted || (r.Unknown == NamespaceUnknown && r.Netpol.Name == "")
}

// Uncertainties lists every reason, in alphabetical order.
func Uncertainties() []Uncertainty {
	return []Uncertainty{ControllerUnknown, GeneratedLabel, HostNetwork, IPNotAssigned, NamespaceUnknown, NodeException, NotDecided, UnmodelledKind, UnparsableSelector}
}
