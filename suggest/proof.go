package suggest

import (
	"fmt"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// prove compares what is open with the netpols with what was asked for. What is open and was
// not asked for, for no reason that is known, is an error.
func (s *suggestion) prove() error {
	options := s.Options
	options.Limit = 0
	p := &proof{suggestion: s, allowed: map[pairOfEnds]connectivity.PortSet{}, wanted: map[pairOfEnds]connectivity.PortSet{}, open: map[pairOfEnds]connectivity.PortSet{}, blocks: map[side]*outside{}}
	p.expect()
	all := connectivity.Connections(s.out.After, options)
	for _, w := range p.within() {
		all = append(all, w...)
	}
	for _, c := range all {
		if err := p.check(c); err != nil {
			return err
		}
	}
	p.missing()
	return nil
}

// pairOfEnds are two workloads.
type pairOfEnds struct{ from, to cluster.Ref }

// side is one side of a workload.
type side struct {
	workload  cluster.Ref
	direction cluster.Direction
}

// outside is what one side of a workload has to do with addresses.
type outside struct{ wanted, open []stretch }

// stretch is a set of addresses with the ports on which they are let through.
type stretch struct {
	addresses *netipx.IPSet
	ports     connectivity.PortSet
}

type proof struct {
	*suggestion
	// wanted is what was asked for, allowed with what workloads that are alike get by it.
	wanted, allowed, open map[pairOfEnds]connectivity.PortSet
	blocks                map[side]*outside
}

// expect notes what has to be open, and what may be.
func (p *proof) expect() {
	for _, k := range p.kept {
		switch {
		case k.from.unit == nil && k.to.unit == nil:
		case k.from.unit == nil:
			p.expectOutside(k.to.unit, cluster.Ingress, k.from.block, k.Ports)
		case k.to.unit == nil:
			p.expectOutside(k.from.unit, cluster.Egress, k.to.block, k.Ports)
		default:
			for _, f := range k.from.unit.members {
				for _, t := range k.to.unit.members {
					at := pairOfEnds{f.Ref, t.Ref}
					p.allowed[at] = p.allowed[at].Union(k.Ports)
				}
			}
			at := pairOfEnds{k.From.Workload.Ref, k.To.Workload.Ref}
			p.wanted[at] = p.wanted[at].Union(k.Ports)
		}
	}
	p.expectDNS()
}

func (p *proof) expectOutside(u *unit, d cluster.Direction, block netip.Prefix, ports connectivity.PortSet) {
	for _, w := range u.members {
		o := p.outsideOf(side{w.Ref, d})
		o.wanted = append(o.wanted, stretch{addressesOf(block, p.podsWithin(block)), ports})
	}
}

func (p *proof) outsideOf(at side) *outside {
	if p.blocks[at] == nil {
		p.blocks[at] = &outside{}
	}
	return p.blocks[at]
}

func addressesOf(block netip.Prefix, but []netip.Prefix) *netipx.IPSet {
	var b netipx.IPSetBuilder
	b.AddPrefix(block)
	for _, x := range but {
		b.RemovePrefix(x)
	}
	return built(&b)
}

// built is the set; its prefixes are valid, so that there is no error.
func built(b *netipx.IPSetBuilder) *netipx.IPSet {
	s, err := b.IPSet()
	if err != nil {
		return &netipx.IPSet{}
	}
	return s
}

// expectDNS allows what is always kept.
func (p *proof) expectDNS() {
	if p.DNS == nil {
		return
	}
	for _, server := range p.units {
		for _, to := range server.members {
			if !p.DNS.Is(to) {
				continue
			}
			for _, client := range p.units {
				if !p.scope[client.namespace] && !p.scope[server.namespace] {
					continue
				}
				for _, from := range client.members {
					at := pairOfEnds{from.Ref, to.Ref}
					p.allowed[at] = p.allowed[at].Union(DNSPorts())
				}
			}
		}
	}
}

// within are the connections of workloads with themselves, which Connections leaves out.
func (p *proof) within() [][]connectivity.Connection {
	var out [][]connectivity.Connection
	for _, u := range p.units {
		if !p.governed(end{unit: u}) {
			continue
		}
		for _, w := range u.members {
			out = append(out, Within(p.out.After, w, p.Options))
		}
	}
	return out
}

// Within are the connections of a workload's pods with each other.
func Within(s *cluster.Snapshot, w *cluster.Workload, o connectivity.Options) []connectivity.Connection {
	peer := connectivity.Peer{Workload: w}
	return connectivity.Explain(s, peer, peer, connectivity.AllPorts(), o).Connections
}

// check tells what one open connection is for.
func (p *proof) check(c connectivity.Connection) error {
	if !p.touches(c.From) && !p.touches(c.To) {
		return nil
	}
	if c.From.Workload == nil || c.To.Workload == nil {
		return p.checkOutside(c)
	}
	at := pairOfEnds{c.From.Workload.Ref, c.To.Workload.Ref}
	if c.Unknown == "" || hostPeer(c.From) || hostPeer(c.To) {
		p.open[at] = p.open[at].Union(c.Ports)
	}
	if hostPeer(c.From) || hostPeer(c.To) {
		if c.Unknown == connectivity.NodeException || c.Unknown == "" && !sided(c) {
			return nil // no netpol has a say: to the pods of its own a node always gets
		}
	}
	if beyond, some := c.On(c.Ports.Subtract(p.allowed[at])); some {
		return p.extra(beyond)
	}
	if shared, some := c.On(c.Ports.Subtract(p.wanted[at]).Subtract(p.dnsTo(at))); some && c.Unknown == "" {
		p.out.Shared = append(p.out.Shared, shared)
	}
	return nil
}

// sided tells whether a rule has a say.
func sided(c connectivity.Connection) bool {
	return slices.ContainsFunc(c.Because, func(b connectivity.Because) bool { return b.Netpol != (cluster.Ref{}) })
}

// dnsTo are the ports of DNS where the workload answers for names.
func (p *proof) dnsTo(at pairOfEnds) connectivity.PortSet {
	if p.DNS == nil || !slices.ContainsFunc(p.unitOf[at.to].members, p.DNS.Is) {
		return connectivity.PortSet{}
	}
	return DNSPorts()
}

func (p *proof) touches(x connectivity.Peer) bool {
	return x.Workload != nil && p.governed(end{unit: p.unitOf[x.Workload.Ref]})
}

// extra notes what cannot be excluded. What a rule opens for certain was asked for, unless
// it is by a block of addresses that holds pods.
func (p *proof) extra(c connectivity.Connection) error {
	known := c.Unknown != "" || hostPeer(c.From) || hostPeer(c.To) || slices.ContainsFunc(c.Because, func(b connectivity.Because) bool { return b.OverPods })
	if !known {
		return fmt.Errorf("%s would reach %s on %s, which nobody asked for: the netpols that were found are not exact", c.From, c.To, c.Ports)
	}
	p.out.Extra = append(p.out.Extra, c)
	return nil
}

func (p *proof) checkOutside(c connectivity.Connection) error {
	var at side
	var block netip.Prefix
	if c.From.Workload == nil {
		at, block = side{c.To.Workload.Ref, cluster.Ingress}, c.From.CIDR
	} else {
		at, block = side{c.From.Workload.Ref, cluster.Egress}, c.To.CIDR
	}
	if !p.touches(connectivity.Peer{Workload: p.unitOf[at.workload].members[0]}) {
		return nil
	}
	o := p.outsideOf(at)
	o.open = append(o.open, stretch{addressesOf(block, nil), c.Ports})
	for _, part := range parted(append(portsOf(o.wanted), c.Ports)) {
		if part.Intersect(c.Ports).Empty() {
			continue
		}
		if rest := without(addressesOf(block, nil), o.wanted, part); rest != nil {
			return p.extra(c)
		}
	}
	return nil
}

func portsOf(list []stretch) []connectivity.PortSet {
	var out []connectivity.PortSet
	for _, x := range list {
		out = append(out, x.ports)
	}
	return out
}

// without are the addresses that some stretches do not have on all of the ports.
func without(addresses *netipx.IPSet, list []stretch, ports connectivity.PortSet) *netipx.IPSet {
	var b netipx.IPSetBuilder
	b.AddSet(addresses)
	for _, x := range list {
		if ports.Subtract(x.ports).Empty() {
			b.RemoveSet(x.addresses)
		}
	}
	if rest := built(&b); len(rest.Prefixes()) > 0 {
		return rest
	}
	return nil
}

// missing finds what was asked for and is not open.
func (p *proof) missing() {
	for _, k := range p.kept {
		if k.from.unit == nil && k.to.unit == nil {
			continue
		}
		var lacking connectivity.PortSet
		switch {
		case k.from.unit == nil:
			lacking = p.lackingOutside(k.To, cluster.Ingress, k.from.block, k.Ports)
		case k.to.unit == nil:
			lacking = p.lackingOutside(k.From, cluster.Egress, k.to.block, k.Ports)
		default:
			lacking = k.Ports.Subtract(p.open[pairOfEnds{k.From.Workload.Ref, k.To.Workload.Ref}])
		}
		if !lacking.Empty() {
			p.out.Unkept = append(p.out.Unkept, Unkept{Wanted: k.Wanted, Missing: lacking, By: p.inTheWay(k)})
		}
	}
}

func (p *proof) lackingOutside(peer connectivity.Peer, d cluster.Direction, block netip.Prefix, ports connectivity.PortSet) connectivity.PortSet {
	if peer.Workload == nil || !p.touches(peer) {
		return connectivity.PortSet{}
	}
	o := p.outsideOf(side{peer.Workload.Ref, d})
	var out connectivity.PortSet
	for _, part := range parted(append(portsOf(o.open), ports)) {
		if part = part.Intersect(ports); part.Empty() {
			continue
		}
		if without(addressesOf(block, p.podsWithin(block)), o.open, part) != nil {
			out = out.Union(part)
		}
	}
	return out
}

// inTheWay are the netpols elsewhere that isolate an end.
func (p *proof) inTheWay(k kept) []cluster.Ref {
	var out []cluster.Ref
	for d, e := range map[cluster.Direction]end{cluster.Egress: k.from, cluster.Ingress: k.to} {
		if e.unit == nil || p.scope[e.unit.namespace] {
			continue
		}
		for _, w := range e.unit.members {
			out = append(out, connectivity.IsolationOf(p.out.After, w).By[d]...)
		}
	}
	slices.SortFunc(out, cluster.Ref.Compare)
	return slices.Compact(out)
}
