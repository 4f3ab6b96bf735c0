package connectivity

import (
	"net/netip"
	"slices"

	"go4.org/netipx"

	"github.com/podcullis/podcullis/cluster"
)

// demand is what every pod of one peer reaches on every pod of another: the
// counterpart of pair, which is what some pod does. "Every" distributes over the
// two sides, so each is taken by itself.
type demand struct {
	open PortSet
	// possible is open plus what is unknown.
	possible PortSet
	// obstacles are what is in the way, with the ports that they keep from being open.
	obstacles map[Obstacle]PortSet
	// reasons are what lets ports through.
	reasons map[Reason]PortSet
	// isolating are the netpols that isolate one of the pods, without regard to ports.
	isolating map[Obstacle]bool
}

// unhindered is the demand that is met in full.
func unhindered() demand {
	return demand{open: AllPorts(), possible: AllPorts(), obstacles: map[Obstacle]PortSet{}, reasons: map[Reason]PortSet{}, isolating: map[Obstacle]bool{}}
}

// demander answers for one snapshot whether every pod gets through.
type demander struct {
	*evaluator
	restricted map[string]bool // by namespace; nil when nothing restricts
}

func newDemander(s *cluster.Snapshot, q Query, o Options) *demander {
	d := &demander{evaluator: newEvaluator(s, o).asking(q)}
	if o.NothingRestricts {
		return d
	}
	var foreign []*cluster.Foreign
	for f := range s.Foreign() {
		foreign = append(foreign, f)
	}
	if len(foreign) == 0 {
		return d
	}
	d.restricted = map[string]bool{}
	for ns := range s.Namespaces() {
		d.restricted[ns.Name] = slices.ContainsFunc(foreign, func(f *cluster.Foreign) bool { return f.Restricts(ns.Name) })
	}
	return d
}

func (e *demander) between(from, to []*cluster.Variant) demand {
	out := unhindered()
	e.side(&out, cluster.Egress, from, to)
	e.side(&out, cluster.Ingress, to, from)
	return out
}

func (e *demander) side(out *demand, d cluster.Direction, subjects, peers []*cluster.Variant) {
	var one []*cluster.Variant
	subjectEnd, peerEnd := subjectOf(d)
	for _, subject := range e.meant(subjectEnd, subjects) {
		ends := e.meant(peerEnd, peers)
		if e.namesBlocks(d, subject) {
			if one == nil {
				one = e.onePodEach(e.parts(peerEnd, e.split(peers)))
			}
			ends = one
		}
		for _, end := range ends {
			e.require(out, d, subject, e.towards(d, subject, end))
		}
	}
}

// require adds what one side says about one pair of pods.
func (e *demander) require(out *demand, d cluster.Direction, subject *cluster.Variant, s side) {
	possible := s.possible()
	if e.restricted[subject.Workload.Namespace] {
		out.hinder(Obstacle{Direction: d, Unknown: UnmodelledKind}, s.open)
		s.open = PortSet{}
	}
	out.open, out.possible = out.open.Intersect(s.open), out.possible.Intersect(possible)
	for _, b := range s.because {
		out.reasons[b.Reason] = out.reasons[b.Reason].Union(b.Ports)
		if b.Unknown != "" {
			out.hinder(Obstacle{Direction: d, Netpol: b.Netpol, Unknown: b.Unknown}, b.Ports)
		}
	}
	if subject.HostNetwork {
		return
	}
	blocked := AllPorts().Subtract(possible)
	for _, n := range e.netpols(subject, d) {
		o := Obstacle{Direction: d, Netpol: n.Ref()}
		out.isolating[o] = true
		out.hinder(o, blocked)
	}
}

func (n *demand) hinder(o Obstacle, ports PortSet) {
	if !ports.Empty() {
		n.obstacles[o] = n.obstacles[o].Union(ports)
	}
}

// namesBlocks reports whether the answer for a pod can depend on a peer's address.
func (e *demander) namesBlocks(d cluster.Direction, subject *cluster.Variant) bool {
	return !subject.HostNetwork && slices.ContainsFunc(e.netpols(subject, d), func(n cluster.Isolator) bool {
		return slices.ContainsFunc(n.Rules[d], func(r cluster.NetpolRule) bool {
			return slices.ContainsFunc(r.Peers, func(p cluster.NetpolPeer) bool { return p.Block != nil })
		})
	})
}

// onePodEach takes variants apart by the addresses of their pods: a block that
// holds one pod does not let the others through.
func (e *demander) onePodEach(variants []*cluster.Variant) []*cluster.Variant {
	var out []*cluster.Variant
	for _, v := range variants {
		unaddressed := v.Unaddressed
		for _, name := range v.Pods {
			pod, ok := e.snapshot.Pod(v.Workload.Namespace, name)
			if !ok || len(pod.IPs) == 0 {
				unaddressed = true
				continue
			}
			one := *v
			one.IPs, one.Unaddressed = pod.IPs, false
			out = append(out, &one)
		}
		if unaddressed || len(v.Pods) == 0 {
			one := *v
			one.IPs, one.Unaddressed = nil, true
			out = append(out, &one)
		}
	}
	return out
}

// shortfall is what a demand lacks that it had before.
type shortfall struct {
	blocked, unsure PortSet
	obstacles       map[Obstacle]PortSet
	lost            map[Reason]PortSet
}

// short compares a demand with what it was: ports that were open and no longer
// are, and ports that were unknown and are blocked.
func (n demand) short(was demand) shortfall {
	out := shortfall{
		blocked:   was.possible.Subtract(n.possible),
		unsure:    n.possible.Subtract(n.open).Intersect(was.open),
		obstacles: map[Obstacle]PortSet{},
		lost:      map[Reason]PortSet{},
	}
	short := out.blocked.Union(out.unsure)
	for o, ports := range n.obstacles {
		known := !was.obstacles[o].Empty() || was.isolating[o]
		o.New = !known
		out.obstacles[o] = ports.Intersect(short)
	}
	for r, ports := range was.reasons {
		if gone := ports.Subtract(n.reasons[r]).Intersect(short); !gone.Empty() && n.hinders(r.Direction, gone) {
			out.lost[r] = gone
		}
	}
	return out
}

func newShortfall() shortfall {
	return shortfall{obstacles: map[Obstacle]PortSet{}, lost: map[Reason]PortSet{}}
}

// add takes what other pods of the same peers fall short of, too.
func (s *shortfall) add(o shortfall) {
	s.blocked = s.blocked.Union(o.blocked)
	s.unsure = s.unsure.Union(o.unsure).Subtract(s.blocked)
	for k, ports := range o.obstacles {
		s.obstacles[k] = s.obstacles[k].Union(ports)
	}
	for k, ports := range o.lost {
		s.lost[k] = s.lost[k].Union(ports)
	}
}

func (s shortfall) empty(asked PortSet) bool {
	return s.blocked.Intersect(asked).Empty() && s.unsure.Intersect(asked).Empty()
}

func (s shortfall) clone() shortfall {
	out := newShortfall()
	out.add(s)
	return out
}

// overlayShortfall adds a stretch that may overlap those that are there.
func overlayShortfall(all []stretch[shortfall], s stretch[shortfall]) []stretch[shortfall] {
	return overlay(all, s,
		func(x stretch[shortfall]) *netipx.IPSet { return x.addresses },
		func(x stretch[shortfall], part *netipx.IPSet) stretch[shortfall] {
			return stretch[shortfall]{part, x.is.clone()}
		},
		func(x, y stretch[shortfall]) stretch[shortfall] {
			x.is.add(y.is)
			return x
		})
}

// hinders reports whether something in one direction is in the way on a port.
func (n demand) hinders(d cluster.Direction, ports PortSet) bool {
	for o, in := range n.obstacles {
		if o.Direction == d && !in.Intersect(ports).Empty() {
			return true
		}
	}
	return false
}

func (s shortfall) closures(from, to Peer, asked PortSet, isNew bool) []ClosedPath {
	var out []ClosedPath
	if blocked := s.blocked.Intersect(asked); !blocked.Empty() {
		out = append(out, ClosedPath{From: from, To: to, Ports: blocked, New: isNew, Because: s.because(blocked, false), Lost: s.gone(blocked)})
	}
	if unsure := s.unsure.Intersect(asked); !unsure.Empty() {
		c := ClosedPath{From: from, To: to, Ports: unsure, New: isNew, Because: s.because(unsure, true), Lost: s.gone(unsure)}
		for _, o := range c.Because {
			if c.Unknown == "" {
				c.Unknown = o.Unknown
			}
		}
		out = append(out, c)
	}
	return out
}

func (s shortfall) because(ports PortSet, uncertain bool) []Obstacle {
	var out []Obstacle
	for o, in := range s.obstacles {
		if (o.Unknown != "") == uncertain && !in.Intersect(ports).Empty() {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, compareObstacles)
	return out
}

func (s shortfall) gone(ports PortSet) []Reason {
	var out []Because
	for r, in := range s.lost {
		if !in.Intersect(ports).Empty() {
			out = append(out, Because{Reason: r})
		}
	}
	slices.SortFunc(out, compareBecause)
	reasons := make([]Reason, 0, len(out))
	for _, b := range out {
		reasons = append(reasons, b.Reason)
	}
	return slices.Compact(reasons)
}

// stretch is a set of addresses outside the cluster that fare alike.
type stretch[T any] struct {
	addresses *netipx.IPSet
	is        T
}

// outside is between for every address of a block.
func (e *demander) outside(d cluster.Direction, subjects []*cluster.Variant, block netip.Prefix) []stretch[demand] {
	all := regions{{addresses: setOf(block)}}
	inside, _ := subjectOf(d)
	for _, v := range e.meant(inside, subjects) {
		all = e.cutAlong(d, v, all)
	}
	var out []stretch[demand]
	for _, r := range all {
		n := unhindered()
		for _, v := range e.meant(inside, subjects) {
			e.require(&n, d, v, e.judgeAddress(d, v, r.first()))
		}
		out = append(out, stretch[demand]{r.addresses, n})
	}
	return out
}

// closuresOutside lists, for one workload, the fewest blocks of addresses that
// fall short differently.
func closuresOutside(all []stretch[shortfall], d cluster.Direction, w *cluster.Workload, asked PortSet, isNew bool) []ClosedPath {
	var out []ClosedPath
	for _, s := range mergedShortfalls(all, asked) {
		if s.is.blocked.Empty() && s.is.unsure.Empty() {
			continue
		}
		for _, block := range s.addresses.Prefixes() {
			from, to := Peer{CIDR: block}, Peer{Workload: w}
			if d == cluster.Egress {
				from, to = to, from
			}
			out = append(out, s.is.closures(from, to, asked, isNew)...)
		}
	}
	return out
}

func mergedShortfalls(all []stretch[shortfall], asked PortSet) []stretch[shortfall] {
	var out []stretch[shortfall]
next:
	for _, s := range all {
		for i := range out {
			o := &out[i]
			if o.is.blocked.Intersect(asked).Equal(s.is.blocked.Intersect(asked)) && o.is.unsure.Intersect(asked).Equal(s.is.unsure.Intersect(asked)) {
				o.addresses = union(o.addresses, s.addresses)
				for k, ports := range s.is.obstacles {
					o.is.obstacles[k] = o.is.obstacles[k].Union(ports)
				}
				for k, ports := range s.is.lost {
					o.is.lost[k] = o.is.lost[k].Union(ports)
				}
				continue next
			}
		}
		out = append(out, s)
	}
	return out
}
