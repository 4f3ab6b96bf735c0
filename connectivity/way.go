package connectivity

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// The two pods whose labels are looked for, as selector.Literal counts them.
const (
	source = iota
	destination
)

// subjectOf is the pod whose netpols have the say in a direction; the other one
// is its peer.
func subjectOf(d cluster.Direction) (subject, peer int) {
	if d == cluster.Egress {
		return source, destination
	}
	return destination, source
}

// way is one way through one side of a connection between pods that could be
// created: what their labels must be for it, and the ports that it opens.
type way struct {
	subject int
	// needs must all hold, of both pods. A named port is a label of the
	// destination here, see namedPort.
	needs []selector.Literal
	// isolators are the netpols of which none may select the subject.
	isolators []isolator
	ports     PortSet
	// certain is false for a way that nothing proves open, or blocked.
	certain bool
	reason  Reason
	// from tells where the way was read: rule, peer and port of a netpol.
	from origin
}

// isolator is a netpol with what a pod must be for it to select the pod.
type isolator struct {
	netpol   *cluster.Netpol
	selected []selector.Literal
}

type origin struct {
	netpol           *cluster.Netpol
	rule, peer, port int
}

// holds is when the way is open.
func (w way) holds() []selector.Choice {
	out := []selector.Choice{selector.All(w.needs...)}
	for _, n := range w.isolators {
		out = append(out, selector.None(n.selected...))
	}
	return out
}

// fails is when the way is not open.
func (w way) fails() selector.Choice {
	out := selector.None(w.needs...)
	for _, n := range w.isolators {
		out = append(out, n.selected)
	}
	return out
}

// impliedBy reports whether w is open, by construction, wherever o is: they are read from
// the same place, or ask for the same, of pods that no more netpols may select.
func (w way) impliedBy(o way) bool {
	return (w.from == o.from || (w.from.netpol != nil && o.from.netpol != nil && slices.EqualFunc(w.needs, o.needs, selector.Literal.Equal))) &&
		w.certain == o.certain && w.ports.Equal(o.ports) &&
		!slices.ContainsFunc(w.isolators, func(n isolator) bool {
			return !slices.ContainsFunc(o.isolators, func(m isolator) bool {
				return m.netpol == n.netpol || m.netpol.Selector.Key() == n.netpol.Selector.Key()
			})
		})
}

// anyWay is the side of an end outside the cluster, where no netpol has a say.
func anyWay() []way { return []way{{ports: AllPorts(), certain: true}} }

// readings remember, for the length of one question, what selectors require.
type readings map[selector.Key]reading

type reading struct {
	requirements []selector.Requirement
	match        selector.Match
}

func (r readings) of(s selector.Selector) ([]selector.Requirement, selector.Match) {
	known, ok := r[s.Key()]
	if !ok {
		known.requirements, known.match = s.Requirements()
		r[s.Key()] = known
	}
	return known.requirements, known.match
}

// reader lists the ways that the netpols of one namespace leave open.
type reader struct {
	*evaluator
	readings
	direction     cluster.Direction
	subject, peer int
	namespace     string
	// match tells what a pod must be for an element of from or to to match it.
	match func(*cluster.Netpol, *cluster.NetpolPeer) ([]selector.Literal, selector.Match)
	// names is set when the destination is a pod, whose ports can have names.
	names bool
}

// waysBetween lists the ways through one side between pods of two namespaces.
func (e *evaluator) waysBetween(known readings, d cluster.Direction, from, to string) []way {
	return e.readerBetween(known, d, from, to).ways()
}

func (e *evaluator) readerBetween(known readings, d cluster.Direction, from, to string) reader {
	subject, other := from, to
	if d == cluster.Ingress {
		subject, other = to, from
	}
	r := reader{evaluator: e, readings: known, direction: d, namespace: subject, names: true}
	r.subject, r.peer = subjectOf(d)
	pod := possiblePod(other, nil, nil)
	r.match = func(n *cluster.Netpol, p *cluster.NetpolPeer) ([]selector.Literal, selector.Match) {
		switch {
		case p.Block != nil:
			return nil, e.matchAddresses(p.Block, pod).given(p.Broken).match
		case p.Broken:
			return nil, selector.Maybe
		case p.OwnNamespace && n.Namespace != other:
			return nil, selector.No
		}
		requirements, m := known.of(p.Pods)
		if !p.OwnNamespace {
			namespace, _ := e.matchNamespace(p, other)
			m = m.And(namespace)
		}
		return selector.Of(r.peer, requirements), m
	}
	return r
}

// waysOutside lists the ways between pods of a namespace and an address.
func (e *evaluator) waysOutside(known readings, d cluster.Direction, namespace string, a netip.Addr) []way {
	r := reader{evaluator: e, readings: known, direction: d, namespace: namespace, names: d == cluster.Ingress}
	r.subject, r.peer = subjectOf(d)
	r.match = func(_ *cluster.Netpol, p *cluster.NetpolPeer) ([]selector.Literal, selector.Match) {
		return nil, matchAddress(&cluster.NetpolRule{Peers: []cluster.NetpolPeer{*p}}, a).match
	}
	return r.ways()
}

func (r reader) ways() []way {
	out := append(r.notIsolated(), r.ruled(r.snapshot.Netpols(r.namespace))...)
	if r.opening.in(r.namespace) {
		out = append(out, way{
			subject: r.subject, ports: AllPorts(), from: origin{rule: -1},
			reason: Reason{Direction: r.direction, Unknown: UnmodelledKind},
		})
	}
	return out
}

// ruled are the ways that the rules of some netpols open.
func (r reader) ruled(netpols []*cluster.Netpol) []way {
	var out []way
	for _, n := range netpols {
		for i := range n.Rules[r.direction] {
			out = append(out, r.through(n, i)...)
		}
	}
	return out
}

// notIsolated are the ways of a pod that no netpol selects, or none for certain.
func (r reader) notIsolated() []way {
	all := way{subject: r.subject, ports: AllPorts(), certain: true, reason: Reason{Direction: r.direction, NotIsolated: true}}
	sure := all
	sure.certain, sure.reason.Unknown = false, UnparsableSelector
	for _, n := range r.snapshot.Netpols(r.namespace) {
		if !n.Isolates[r.direction] {
			continue
		}
		requirements, m := r.of(n.Selector)
		isolator := isolator{n, selector.Of(r.subject, requirements)}
		all.isolators = append(all.isolators, isolator)
		if m == selector.Yes {
			sure.isolators = append(sure.isolators, isolator)
		}
	}
	if len(sure.isolators) == len(all.isolators) {
		return []way{all}
	}
	return []way{all, sure}
}

// through are the ways that one rule of a netpol opens.
func (r reader) through(n *cluster.Netpol, rule int) []way {
	requirements, selects := r.of(n.Selector)
	selected := selector.Of(r.subject, requirements)
	var out []way
	add := func(peer int, needs []selector.Literal, m selector.Match) {
		if m = m.And(selects); m == selector.No {
			return
		}
		for _, p := range r.portsOf(&n.Rules[r.direction][rule]) {
			w := way{
				subject: r.subject,
				needs:   slices.Concat(selected, needs, p.needs),
				ports:   p.ports,
				certain: m == selector.Yes && !p.broken,
				reason:  Reason{Direction: r.direction, Netpol: n.Ref(), Rule: rule},
				from:    origin{n, rule, peer, p.index},
			}
			out = append(out, w)
		}
	}
	if n.Rules[r.direction][rule].AnyPeer {
		add(-1, nil, selector.Yes)
	}
	for i := range n.Rules[r.direction][rule].Peers {
		needs, m := r.match(n, &n.Rules[r.direction][rule].Peers[i])
		add(i, needs, m)
	}
	return out
}

// portWay is a part of a rule's ports that depends on one thing at most.
type portWay struct {
	index  int
	needs  []selector.Literal
	ports  PortSet
	broken bool
}

func (r reader) portsOf(rule *cluster.NetpolRule) []portWay {
	if rule.AnyPort {
		return []portWay{{index: -1, ports: AllPorts()}}
	}
	numbers := portWay{index: -1}
	broken := portWay{index: -2, broken: true}
	var out []portWay
	for i, p := range rule.Ports {
		switch {
		case p.Broken:
			broken.ports = AllPorts()
		case p.Name == "":
			numbers.ports = numbers.ports.Union(Ports(PortRange{p.Protocol, p.First, p.Last}))
		case r.names:
			out = append(out, portWay{
				index: i,
				needs: []selector.Literal{{Of: destination, Requirement: namedPort(p.Name, p.Protocol)}},
				ports: Ports(PortRange{p.Protocol, minPort, maxPort}),
			})
		}
	}
	for _, p := range []portWay{numbers, broken} {
		if !p.ports.Empty() {
			out = append(out, p)
		}
	}
	return out
}

// namedPort is the requirement that a pod has a port of a name. Which number it
// has is free, so one pod or another has it on every number. It is written as a
// label whose key no label can have.
func namedPort(name string, protocol cluster.Protocol) selector.Requirement {
	return selector.Requirement{Key: "port " + name + " " + protocol.String(), Values: selector.Present()}
}

// portOf is the named port behind a key of namedPort; ok is false for a label.
func portOf(key string) (port cluster.NamedPort, ok bool) {
	parts := strings.Split(key, " ")
	if len(parts) != 3 {
		return cluster.NamedPort{}, false
	}
	protocol, ok := cluster.ParseProtocol(parts[2])
	return cluster.NamedPort{Name: parts[1], Protocol: protocol, Port: AnyNumber}, ok
}
