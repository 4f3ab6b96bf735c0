package connectivity

import (
	"cmp"
	"slices"

	"go4.org/netipx"

	"github.com/podcullis/podcullis/cluster"
)

// Difference is what became of the connection from one peer to another. What is
// open and what is unknown are compared apart, as they are listed apart: a path
// that was proved open and now is unknown is one difference of each sort.
type Difference struct {
	// From and To are peers of the later snapshot, or of the earlier one if they
	// are gone. Workloads are the same when namespace, kind and name are.
	From, To Peer
	// Unknown is empty when the difference is in what is proved open; else the
	// reason for which it is not certain, after the change if it is there still.
	Unknown Uncertainty
	// Turned is set, in the answer of the function Turned, when the path was there on
	// the same ports before and after, and only its certainty has changed.
	Turned Turn
	// Before and After are the ports. They differ, and one of them may be empty.
	Before, After PortSet
	// GainedBy opens Gained, in the later snapshot; LostBy opened Lost, in the
	// earlier one. Each is empty only when its ports are.
	GainedBy, LostBy []Because
	// Causes are, in the answer of the function WithCauses, what has changed and has a say.
	Causes []Cause
}

// Added reports whether there was no connection before.
func (d Difference) Added() bool { return d.Before.Empty() }

// Removed reports whether there is no connection after.
func (d Difference) Removed() bool { return d.After.Empty() }

// Gained are the ports that were not there before.
func (d Difference) Gained() PortSet { return d.After.Subtract(d.Before) }

// Lost are the ports that are there no more.
func (d Difference) Lost() PortSet { return d.Before.Subtract(d.After) }

// On is the difference on some ports, if there is one.
func (d Difference) On(ports PortSet) (Difference, bool) {
	d.Before, d.After = d.Before.Intersect(ports), d.After.Intersect(ports)
	return d.explained(), !d.Before.Equal(d.After)
}

// Diff compares everything that Connections lists of two snapshots, which need
// have nothing to do with each other. It is sorted by peers. That other rules
// open the same ports is no difference. Outside the cluster the peers are the
// fewest blocks of addresses that changed in the same way.
func Diff(before, after *cluster.Snapshot, o Options) []Difference {
	c := comparison{inside: map[pairKey]*Difference{}, outside: map[outsideKey]*[2][]outsidePorts{}}
	for _, x := range Connections(before, o) {
		c.add(0, x)
	}
	for _, x := range Connections(after, o) {
		c.add(1, x)
	}
	out := c.differences()
	slices.SortFunc(out, compareDifferences)
	return out
}

func compareDifferences(a, b Difference) int {
	return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), cmp.Compare(a.Unknown, b.Unknown))
}

// comparison gathers the connections of two snapshots, 0 before and 1 after, by
// what makes them the same one.
type comparison struct {
	inside  map[pairKey]*Difference
	outside map[outsideKey]*[2][]outsidePorts
}

type pairKey struct {
	from, to cluster.Ref
	unknown  bool
}

// outsideKey is one side of a connection with the outside.
type outsideKey struct {
	workload  cluster.Ref
	direction cluster.Direction
	unknown   bool
}

// outsidePorts are addresses outside the cluster that are treated alike.
type outsidePorts struct {
	addresses *netipx.IPSet
	Connection
}

func (c comparison) add(when int, x Connection) {
	switch {
	case x.From.Workload == nil:
		c.addOutside(when, outsideKey{x.To.Workload.Ref, cluster.Ingress, x.Unknown != ""}, outsidePorts{setOf(x.From.CIDR), x})
	case x.To.Workload == nil:
		c.addOutside(when, outsideKey{x.From.Workload.Ref, cluster.Egress, x.Unknown != ""}, outsidePorts{setOf(x.To.CIDR), x})
	default:
		c.addInside(when, x)
	}
}

func (c comparison) addInside(when int, x Connection) {
	key := pairKey{x.From.Workload.Ref, x.To.Workload.Ref, x.Unknown != ""}
	d, ok := c.inside[key]
	if !ok {
		d = &Difference{}
		c.inside[key] = d
	}
	d.From, d.To, d.Unknown = x.From, x.To, x.Unknown
	if when == 0 {
		d.Before, d.LostBy = x.Ports, x.Because
	} else {
		d.After, d.GainedBy = x.Ports, x.Because
	}
}

// addOutside joins the blocks that one snapshot treats alike.
func (c comparison) addOutside(when int, key outsideKey, x outsidePorts) {
	both, ok := c.outside[key]
	if !ok {
		both = &[2][]outsidePorts{}
		c.outside[key] = both
	}
	for i := range both[when] {
		if same := &both[when][i]; same.Ports.Equal(x.Ports) {
			same.addresses = union(same.addresses, x.addresses)
			same.Because = slices.Clone(same.Because)
			for _, b := range x.Because {
				same.Because = mergeBecause(same.Because, b)
			}
			slices.SortStableFunc(same.Because, compareBecause)
			return
		}
	}
	both[when] = append(both[when], x)
}

func (c comparison) differences() []Difference {
	var out []Difference
	for _, d := range c.inside {
		if !d.Before.Equal(d.After) {
			out = append(out, d.explained())
		}
	}
	for key, both := range c.outside {
		for _, p := range parts(both[0], both[1]) {
			for _, block := range p.addresses.Prefixes() {
				d := p.Difference
				if key.direction == cluster.Ingress {
					d.From = Peer{CIDR: block}
				} else {
					d.To = Peer{CIDR: block}
				}
				out = append(out, d)
			}
		}
	}
	return out
}

// explained leaves of the reasons those for what changed.
func (d Difference) explained() Difference {
	d.GainedBy, d.LostBy = within(d.GainedBy, d.Gained()), within(d.LostBy, d.Lost())
	return d
}

// within are the reasons for some of the ports.
func within(all []Because, ports PortSet) []Because {
	var out []Because
	for _, b := range all {
		if b.Ports = b.Ports.Intersect(ports); !b.Ports.Empty() {
			out = append(out, b)
		}
	}
	return out
}

// part is a set of addresses that changed in the same way.
type part struct {
	addresses *netipx.IPSet
	Difference
}

// parts cuts the addresses along both pictures, and keeps what differs. Each
// picture has its ports once, so no two parts changed in the same way.
func parts(before, after []outsidePorts) []part {
	var out []part
	add := func(addresses *netipx.IPSet, d Difference) {
		if addresses != nil && !d.Before.Equal(d.After) {
			out = append(out, part{addresses, d.explained()})
		}
	}
	for _, b := range before {
		rest := b.addresses
		for _, a := range after {
			add(intersection(b.addresses, a.addresses), Difference{
				From: a.From, To: a.To, Unknown: a.Unknown, Before: b.Ports, After: a.Ports, LostBy: b.Because, GainedBy: a.Because,
			})
			if rest != nil {
				rest = difference(rest, a.addresses)
			}
		}
		add(rest, Difference{From: b.From, To: b.To, Unknown: b.Unknown, Before: b.Ports, LostBy: b.Because})
	}
	for _, a := range after {
		rest := a.addresses
		for _, b := range before {
			if rest != nil {
				rest = difference(rest, b.addresses)
			}
		}
		add(rest, Difference{From: a.From, To: a.To, Unknown: a.Unknown, After: a.Ports, GainedBy: a.Because})
	}
	return out
}
