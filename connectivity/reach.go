package connectivity

import (
	"cmp"
	"slices"

	"github.com/bits-and-blooms/bitset"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// reach is whom the netpols of one guard let through in one direction, on some
// port: every such peer, and perhaps some that are not. Who is not in it is
// blocked on every port, so only the peers in it are judged port by port.
type reach struct {
	everyone bool
	peers    variantSet
	// large are reaches of many peers, which are looked for in each namespace by itself.
	large []*largeReach
}

// in are the variants of a namespace that the reach holds, nil for none.
func (r *reach) in(namespace string) *bitset.BitSet {
	bits := r.peers[namespace]
	for _, l := range r.large {
		if more := l.in(namespace); more == nil || bits == nil {
			bits = cmp.Or(bits, more)
		} else {
			bits = bits.Union(more)
		}
	}
	return bits
}

// variantSet is some variants of a snapshot, as bits over their positions, by
// namespace.
type variantSet map[string]*bitset.BitSet

func (s variantSet) add(namespace string, bits *bitset.BitSet) {
	if have, ok := s[namespace]; ok {
		bits = have.Union(bits)
	}
	s[namespace] = bits
}

func (s variantSet) addAll(o variantSet) {
	for namespace, bits := range o {
		s.add(namespace, bits)
	}
}

type reachKey struct {
	guard     *cluster.Isolation
	direction cluster.Direction
}

type selectorPair struct{ namespaces, pods selector.Key }

// holds reports whether a chosen peer is in the reach.
func (r *reach) holds(c *chosen) bool {
	if r.everyone {
		return true
	}
	bits := r.in(c.workload.Namespace)
	if bits == nil {
		return false
	}
	for _, at := range c.positions {
		if bits.Test(at) {
			return true
		}
	}
	return false
}

// reachOf is the reach of some variants of a workload together.
func (e *evaluator) reachOf(d cluster.Direction, c *chosen) []*reach {
	var out []*reach
	members := e.members(c.workload.Namespace)
	variants := members.Variants()
	for _, at := range c.positions {
		r := everyone
		if !variants[at].HostNetwork {
			r = e.reachOfGuard(d, members.Isolation(at))
		}
		if len(out) == 0 || out[len(out)-1] != r {
			out = append(out, r)
		}
	}
	return out
}

func holds(reaches []*reach, c *chosen) bool {
	for _, r := range reaches {
		if r.holds(c) {
			return true
		}
	}
	return false
}

// reachesOf are the reaches of some subjects.
func reachesOf(d cluster.Direction, subjects []chosen, reachOf func(cluster.Direction, *chosen) []*reach) [][]*reach {
	out := make([][]*reach, len(subjects))
	for i := range subjects {
		out[i] = reachOf(d, &subjects[i])
	}
	return out
}

// joint is one reach that holds whoever some subjects let through.
func joint(reaches ...[]*reach) *reach {
	out := &reach{peers: variantSet{}}
	for _, of := range reaches {
		for _, r := range of {
			if r.everyone {
				return everyone
			}
			out.peers.addAll(r.peers)
			for _, l := range r.large {
				if !slices.Contains(out.large, l) {
					out.large = append(out.large, l)
				}
			}
		}
	}
	return out
}

var everyone = &reach{everyone: true}

func (e *evaluator) reachOfGuard(d cluster.Direction, g *cluster.Isolation) *reach {
	key := reachKey{g, d}
	r, ok := e.reached[key]
	if !ok {
		r = e.newReach(d, g)
		put(&e.reached, key, r)
	}
	return r
}

func (e *evaluator) newReach(d cluster.Direction, g *cluster.Isolation) *reach {
	if isolates(g.By[d]) != selector.Yes || e.opening.in(g.Namespace) {
		return everyone
	}
	return e.ruledReach(d, g)
}

func isolates(by []cluster.Isolator) selector.Match {
	isolated := selector.No
	for _, n := range by {
		isolated = isolated.Or(n.Match)
	}
	return isolated
}

// ruledReach is whom the rules of a guard's netpols let through, and hosts.
func (e *evaluator) ruledReach(d cluster.Direction, g *cluster.Isolation) *reach {
	r := &reach{peers: variantSet{}}
	if d == cluster.Ingress {
		r.peers.addAll(e.onHosts()) // a pod's own node always gets in
	}
	if isLarge(g.By[d], d) {
		return e.newLargeReach(r, d, g)
	}
	for _, n := range g.By[d] {
		for i := range n.Rules[d] {
			if rule := &n.Rules[d][i]; rule.AnyPeer || !e.addPeers(r, n.Netpol, rule) {
				return everyone
			}
		}
	}
	return r
}

// addPeers adds the peers of a rule; false when that may be anybody.
func (e *evaluator) addPeers(r *reach, n *cluster.Netpol, rule *cluster.NetpolRule) bool {
	for i := range rule.Peers {
		switch p := &rule.Peers[i]; {
		case p.Block != nil:
			r.peers.addAll(e.inBlock(p.Block))
		case p.Broken:
			return false
		case p.OwnNamespace:
			r.peers.add(n.Namespace, e.members(n.Namespace).Select(p.Pods))
		default:
			r.peers.addAll(e.selectedBy(p))
		}
	}
	return true
}

// selectedBy are the variants that the selectors of a peer match.
func (e *evaluator) selectedBy(p *cluster.NetpolPeer) variantSet {
	key := selectorPair{p.Namespaces.Key(), p.Pods.Key()}
	out, ok := e.pods[key]
	if !ok {
		out = variantSet{}
		for ns, members := range e.snapshot.SelectNamespaces(p.Namespaces) {
			if bits := members.Select(p.Pods); bits.Any() {
				out[ns.Name] = bits
			}
		}
		put(&e.pods, key, out)
	}
	return out
}

// inBlock are the variants with an address in a block, or that may get one.
func (e *evaluator) inBlock(b *cluster.IPBlock) variantSet {
	out, ok := e.within[b]
	if !ok {
		out = variantSet{}
		for ns, members := range e.snapshot.SelectNamespaces(selector.Everything()) {
			if bits := e.inBlockOf(b, members); bits.Any() {
				out[ns.Name] = bits
			}
		}
		put(&e.within, b, out)
	}
	return out
}

// inBlockOf is inBlock for one namespace.
func (e *evaluator) inBlockOf(b *cluster.IPBlock, members cluster.Members) *bitset.BitSet {
	bits := members.Within(b)
	if e.outsidePodNetwork(b) {
		return bits.Union(members.Unaddressed().Intersection(members.OnHosts()))
	}
	return bits.Union(members.Unaddressed())
}

// onHosts are the variants of the host's network.
func (e *evaluator) onHosts() variantSet {
	if e.hosts == nil {
		e.hosts = variantSet{}
		for ns, members := range e.snapshot.SelectNamespaces(selector.Everything()) {
			if bits := members.OnHosts(); bits.Any() {
				e.hosts[ns.Name] = bits
			}
		}
	}
	return e.hosts
}

// members are those of a namespace.
func (e *evaluator) members(namespace string) cluster.Members {
	m, ok := e.namespaces[namespace]
	if !ok {
		m = e.snapshot.Members(namespace)
		put(&e.namespaces, namespace, m)
	}
	return m
}
