package connectivity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// leading answers, for one snapshot, what leads from outside the cluster to pods. Every
// answer covers all addresses: a region that nothing leads in from has no ports.
type leading struct {
	*evaluator
	controllers []Selection
	// served are the pods of the controllers that are there, by their selection.
	served [][]chosen
	leads  map[string]map[Through][]lead // by the namespace of the pods
}

// lead is a port of a Service that something leads to from outside.
type lead struct {
	steps   []Step
	service *cluster.Service
	port    cluster.ServicePort
}

func newLeading(e *evaluator, q EntranceQuery) *leading {
	l := &leading{evaluator: e, controllers: q.Controllers, leads: map[string]map[Through][]lead{}}
	for _, s := range q.Controllers {
		var served []chosen
		if !s.external() {
			served = s.choose(e.snapshot, everyone)
		}
		l.served = append(l.served, served)
	}
	return l
}

// regions are the addresses outside the cluster by what of some pods of one workload can be
// reached from there.
func (l *leading) regions(t Through, variants []*cluster.Variant) regions {
	out := regions{{addresses: everywhere()}}
	parts := l.parts(destination, l.split(variants))
	if t == ThroughDefault || t == ThroughIPBlock {
		return l.direct(t, parts, out)
	}
	for _, v := range parts {
		for _, x := range l.leadsTo(v.Workload.Namespace)[t] {
			ports, m := l.target(x, v)
			if ports.Empty() {
				continue
			}
			for _, r := range l.entered(t, x, v) {
				r.pair = r.only(ports)
				if m == selector.Maybe {
					r.pair = r.doubted(GeneratedLabel, ports)
				}
				out = out.overlay(r)
			}
		}
	}
	return out
}

// direct are the addresses by what netpols say: that nobody isolates, or that a rule lets in.
func (l *leading) direct(t Through, parts []*cluster.Variant, out regions) regions {
	for _, v := range parts {
		for _, r := range l.judgedFrom(v, regions{{addresses: everywhere()}}) {
			var some pair
			for _, b := range r.because {
				if b.NotIsolated != (t == ThroughDefault) {
					continue
				}
				open := b.Ports
				if b.Unknown != "" {
					open = PortSet{}
				}
				some.add(open, b.Ports, []Because{b})
			}
			out = out.overlay(region{r.addresses, some})
		}
	}
	return out
}

// judgedFrom are addresses by what the netpols of a pod say about them.
func (l *leading) judgedFrom(v *cluster.Variant, from regions) regions {
	return l.outsideOf(cluster.Ingress, v, from)
}

// target are the ports of a pod that a Service leads to, and whether it selects the pod.
func (l *leading) target(x lead, v *cluster.Variant) (PortSet, selector.Match) {
	if !x.service.Selects {
		return PortSet{}, selector.No
	}
	m := v.Matches(x.service.Pods)
	if m == selector.No {
		return PortSet{}, m
	}
	p := x.port
	if p.TargetName == "" {
		return Ports(PortRange{p.Protocol, p.Target, p.Target}), m
	}
	if v.Unread()&cluster.UnreadPorts != 0 {
		return Ports(PortRange{p.Protocol, minPort, maxPort}), selector.Maybe
	}
	var out PortSet
	for _, n := range v.ResolvePort(p.TargetName, p.Protocol) {
		named := PortRange{p.Protocol, n, n}
		if n == AnyNumber {
			named.First, named.Last = minPort, maxPort
		}
		out = out.Union(Ports(named))
	}
	return out, m
}

// entered are addresses by what a pod lets in of what comes from there on one way.
func (l *leading) entered(t Through, x lead, v *cluster.Variant) regions {
	if t == ThroughService {
		return l.byService(x.service, v)
	}
	return regions{{everywhere(), l.byController(v)}}
}

// byService is what a pod lets in through the nodes or a load balancer. The source is then
// the client, or, unless the Service keeps it, perhaps a node: which addresses these have
// is not known, and from its own node a pod's ingress is always open.
func (l *leading) byService(s *cluster.Service, v *cluster.Variant) regions {
	out := l.judgedFrom(v, regions{{addresses: clientsOf(s)}})
	if s.Local {
		return out
	}
	always := AllPorts()
	for _, r := range l.judgedFrom(v, regions{{addresses: everywhere()}}) {
		always = always.Intersect(r.open)
	}
	for i := range out {
		out[i].open = out[i].open.Intersect(always)
		out[i].pair = out[i].perhaps(NodeException)
	}
	return out
}

// byController is what a pod lets in from whoever serves Ingresses and routes. While that
// is not known, anybody may.
func (l *leading) byController(v *cluster.Variant) pair {
	var out pair
	known := false
	for i, s := range l.controllers {
		if s.external() {
			known = true
			for _, r := range l.judgedFrom(v, regions{{addresses: setOf(s.Block)}}) {
				out.add(r.open, r.possible, r.because)
			}
			continue
		}
		for _, c := range l.served[i] {
			known = true
			if c.workload == v.Workload {
				out.add(AllPorts(), AllPorts(), []Because{{Reason: Reason{Direction: cluster.Ingress, NotIsolated: true}, Ports: AllPorts()}})
				continue
			}
			p := l.between(c.variants, []*cluster.Variant{v})
			out.add(p.open, p.possible, p.because)
		}
	}
	if known {
		return out
	}
	side := l.judge(cluster.Ingress, v, func(_ *cluster.Netpol, r *cluster.NetpolRule) matched {
		if r.AnyPeer {
			return matched{match: selector.Yes}
		}
		return matched{match: selector.Maybe, unknown: ControllerUnknown}
	}, v, false)
	out.add(side.open, side.possible(), side.because)
	return out.perhaps(ControllerUnknown)
}

// perhaps is a pair of which every port may be open, for one reason.
func (p pair) perhaps(why Uncertainty) pair {
	p.because = slices.Clone(p.because)
	if left := AllPorts().Subtract(p.open); !left.Empty() {
		p.because = append(p.because, Because{Reason: Reason{Direction: cluster.Ingress, Unknown: why}, Ports: left})
	}
	p.possible = AllPorts()
	return p
}

// doubted is a pair of which nothing is certain.
func (p pair) doubted(why Uncertainty, ports PortSet) pair {
	p.because = append(slices.Clone(p.because), Because{Reason: Reason{Direction: cluster.Ingress, Unknown: why}, Ports: ports.Intersect(p.possible)})
	p.open = PortSet{}
	return p
}

// controllerOf names who serves what leads through Ingresses or routes.
func (l *leading) controllerOf(t Through) string {
	if t != ThroughIngress && t != ThroughRoute {
		return ""
	}
	var names []string
	for i, s := range l.controllers {
		if s.external() {
			names = append(names, s.Block.String())
		}
		for _, c := range l.served[i] {
			names = append(names, c.workload.Ref.String())
		}
	}
	switch n := len(names); {
	case n == 0:
		return "a controller that is not known"
	case n > 2:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), n-2)
	}
	return strings.Join(names, " and ")
}

// leadsTo are the leads to the pods of a namespace.
func (l *leading) leadsTo(namespace string) map[Through][]lead {
	if known, ok := l.leads[namespace]; ok {
		return known
	}
	out := map[Through][]lead{}
	for _, s := range l.snapshot.Services(namespace) {
		if how := s.FromOutside(); how != "" {
			for _, p := range s.Ports {
				out[ThroughService] = append(out[ThroughService], lead{[]Step{serviceStep(s, p, how)}, s, p})
			}
		}
	}
	for _, i := range l.snapshot.Ingresses(namespace) {
		out[ThroughIngress] = append(out[ThroughIngress], l.backends(i.Backends, namespace, func(b cluster.Backend) []Step {
			return []Step{{Ref: i.Ref(), Text: whenOf(b)}}
		})...)
	}
	for r := range l.snapshot.Routes() {
		out[ThroughRoute] = append(out[ThroughRoute], l.backends(r.Backends, namespace, func(b cluster.Backend) []Step {
			var steps []Step
			if len(r.Gateways) > 0 {
				ns, name, _ := strings.Cut(r.Gateways[0], "/")
				more := ""
				if n := len(r.Gateways) - 1; n > 0 {
					more = fmt.Sprintf("and %d more", n)
				}
				steps = append(steps, Step{Ref: cluster.Ref{Namespace: ns, Kind: "Gateway", Name: name}, Text: more})
			}
			return append(steps, Step{Ref: r.Ref(), Text: whenOf(b)})
		})...)
	}
	l.leads[namespace] = out
	return out
}

func (l *leading) backends(list []cluster.Backend, namespace string, steps func(cluster.Backend) []Step) []lead {
	var out []lead
	for _, b := range list {
		if b.Namespace != namespace {
			continue
		}
		s, ok := l.snapshot.Service(b.Namespace, b.Service)
		if !ok {
			continue // what is not there leads nowhere
		}
		for _, p := range s.Leads(b) {
			out = append(out, lead{append(steps(b), serviceStep(s, p, "")), s, p})
		}
	}
	return out
}

func whenOf(b cluster.Backend) string {
	if b.More > 0 {
		return strings.TrimPrefix(fmt.Sprintf("%s and %d more", b.When, b.More), " ")
	}
	return b.When
}

func serviceStep(s *cluster.Service, p cluster.ServicePort, how string) Step {
	text := fmt.Sprintf("port %d", p.Port)
	if p.Protocol != cluster.TCP {
		text = fmt.Sprintf("port %d/%s", p.Port, p.Protocol)
	}
	return Step{cluster.Ref{Namespace: s.Namespace, Kind: "Service", Name: s.Name}, how, text}
}

// waysTo are the ways to a workload on some ports.
func (l *leading) waysTo(t Through, w *cluster.Workload, ports PortSet) []Way {
	var out []Way
	for _, x := range l.leadsTo(w.Namespace)[t] {
		var leads PortSet
		for _, v := range l.split(w.Variants) {
			p, _ := l.target(x, v)
			leads = leads.Union(p)
		}
		if leads = leads.Intersect(ports); !leads.Empty() {
			out = append(out, Way{x.steps, leads})
		}
	}
	return out
}

// Ports are those of the pods that the way leads to.
func (w Way) Ports() PortSet { return w.ports }
