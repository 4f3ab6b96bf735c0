package suggest

import (
	"net/netip"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// Wanted is a connection that is to stay open. Peers are workloads of the snapshot or blocks
// of addresses.
type Wanted struct {
	From, To connectivity.Peer
	Ports    connectivity.PortSet
	// Why is where it comes from: "open today", "flows.json:12", for people.
	Why string
}

// DNS is who answers the names of the cluster, by the labels of its pods.
type DNS struct {
	Namespace string
	Pods      labels.Set
}

// Request is what is to be suggested.
type Request struct {
	Snapshot *cluster.Snapshot
	Options  connectivity.Options
	// Namespaces are those whose netpols are suggested; the netpols that they have are
	// replaced. Others stay as they are.
	Namespaces []string
	Wanted     []Wanted
	// DNS, when set, may be asked by every pod of the namespaces on port 53.
	DNS *DNS
	// Nodes are the addresses of nodes: a rule can name a pod on the host's network by
	// nothing else.
	Nodes []netip.Prefix
}

// Result is a set of netpols, and what was proved of it.
type Result struct {
	// Netpols are sorted by namespace and name, but what isolates all pods of a namespace
	// comes last in it: applied one after the other, they cut as little as can be.
	Netpols []*cluster.Draft
	// After is the snapshot with these netpols, and Gone are the netpols that it has no more.
	After *cluster.Snapshot
	Gone  []cluster.Ref
	// Alike are workloads that no labels tell apart: what one of them may, all may.
	Alike [][]cluster.Ref
	// Shared are the connections that are open for no other reason.
	Shared []connectivity.Connection
	// Unkept are wanted connections that the netpols do not keep.
	Unkept []Unkept
	// Extra are the connections beside those wanted that cannot be excluded: a block of
	// addresses that may hold pods, say.
	Extra []connectivity.Connection
	// Unproved are the ends that rules let through by the addresses of nodes.
	Unproved []Wanted
	// Rules counts the rules of the netpols.
	Rules int
}

// Unkept is a wanted connection that netpols of these namespaces cannot keep, or not alone.
type Unkept struct {
	Wanted
	// HostNetwork is set when an end is on the host's network, which only addresses of
	// nodes could name; else something elsewhere blocks Missing.
	HostNetwork bool
	Missing     connectivity.PortSet
	// By are the netpols elsewhere that stand in the way.
	By []cluster.Ref
}

// New suggests netpols. What cannot be kept is told and no error; an error means that the
// result would not be what was asked for.
func New(r Request) (*Result, error) {
	s := &suggestion{Request: r, scope: map[string]bool{}, out: &Result{}}
	for _, ns := range r.Namespaces {
		s.scope[ns] = true
	}
	s.gather()
	s.demand()
	for _, ns := range slices.Sorted(slices.Values(r.Namespaces)) {
		if err := s.namespace(ns); err != nil {
			return nil, err
		}
	}
	if err := s.apply(); err != nil {
		return nil, err
	}
	return s.out, s.prove()
}

// suggestion is a request that is being answered.
type suggestion struct {
	Request
	scope  map[string]bool
	units  []*unit
	unitOf map[cluster.Ref]*unit
	ends   []end // the peers of rules
	endAt  map[string]int
	kept   []kept
	out    *Result
}

// kept is a wanted connection between units and blocks, as it is written into rules.
type kept struct {
	from, to end
	Wanted
}

// end is one end of a connection as rules name it: a unit, or a block.
type end struct {
	unit  *unit
	block netip.Prefix
}

func (e end) key() string {
	if e.unit != nil {
		return e.unit.key()
	}
	return e.block.String()
}

// compare orders units by namespace and name before blocks.
func (e end) compare(o end) int {
	switch {
	case e.unit != nil && o.unit != nil:
		return e.unit.members[0].Ref.Compare(o.unit.members[0].Ref)
	case e.unit != nil:
		return -1
	case o.unit != nil:
		return 1
	}
	return connectivity.Peer{CIDR: e.block}.Compare(connectivity.Peer{CIDR: o.block})
}

// governed tells whether the netpols of an end are suggested.
func (s *suggestion) governed(e end) bool {
	return e.unit != nil && !e.unit.host && s.scope[e.unit.namespace]
}

// demand notes of each wanted connection what the units at its ends need.
func (s *suggestion) demand() {
	for _, w := range s.Wanted {
		if w.Ports.Empty() {
			continue
		}
		from, to := s.endsOf(w.From), s.endsOf(w.To)
		if !slices.ContainsFunc(slices.Concat(from, to), s.governed) && !s.hosted(w) {
			continue
		}
		if len(from) == 0 || len(to) == 0 {
			s.out.Unkept = append(s.out.Unkept, Unkept{Wanted: w, HostNetwork: true, Missing: w.Ports})
			continue
		}
		if len(s.Nodes) > 0 && (hostPeer(w.From) || hostPeer(w.To)) {
			s.out.Unproved = append(s.out.Unproved, w)
		}
		for _, f := range from {
			for _, t := range to {
				s.keep(f, t, w)
			}
		}
	}
}

func (s *suggestion) keep(from, to end, w Wanted) {
	s.kept = append(s.kept, kept{from, to, w})
	if s.governed(from) {
		from.unit.need(cluster.Egress, s.at(to), w)
	}
	if s.governed(to) {
		to.unit.need(cluster.Ingress, s.at(from), w)
	}
}

// at is the position of a peer.
func (s *suggestion) at(e end) int {
	if s.endAt == nil {
		s.endAt = map[string]int{}
	}
	i, ok := s.endAt[e.key()]
	if !ok {
		i = len(s.ends)
		s.ends, s.endAt[e.key()] = append(s.ends, e), i
	}
	return i
}

// endsOf are how rules name a peer; none for a pod on the host's network when the addresses
// of nodes are not known.
func (s *suggestion) endsOf(p connectivity.Peer) []end {
	if p.Workload == nil {
		return []end{{block: p.CIDR.Masked()}}
	}
	u := s.unitOf[p.Workload.Ref]
	if !u.host {
		return []end{{unit: u}}
	}
	var out []end
	for _, block := range s.Nodes {
		out = append(out, end{block: block.Masked()})
	}
	return out
}

// hosted tells whether one end is on the host's network and the other one is governed.
func (s *suggestion) hosted(w Wanted) bool {
	governed := func(p connectivity.Peer) bool {
		return p.Workload != nil && s.governed(end{unit: s.unitOf[p.Workload.Ref]})
	}
	return hostPeer(w.From) && governed(w.To) || hostPeer(w.To) && governed(w.From)
}

func hostPeer(p connectivity.Peer) bool { return p.Workload != nil && onHost(p.Workload) }

func onHost(w *cluster.Workload) bool {
	return slices.ContainsFunc(w.Variants, func(v *cluster.Variant) bool { return v.HostNetwork })
}

var bothWays = []cluster.Direction{cluster.Ingress, cluster.Egress}

// namespace drafts the netpols of one namespace.
func (s *suggestion) namespace(ns string) error {
	taken := map[string]bool{}
	deny := cluster.NewDraft(ns, named(taken, "default-deny"), metav1.LabelSelector{}, bothWays...)
	deny.Annotate(whyAnnotation, "nothing gets in or out of a pod of this namespace, unless another NetworkPolicy says so")
	dns := s.allowDNS(ns, taken)
	var rows []*unit
	for _, u := range s.units {
		if u.namespace == ns && len(u.needs[0])+len(u.needs[1]) > 0 {
			rows = append(rows, u)
		}
	}
	drafts, err := s.layout(ns, rows, taken)
	s.out.Netpols = slices.Concat(s.out.Netpols, drafts, dns, []*cluster.Draft{deny})
	return err
}

var dnsPorts = []cluster.NetpolPort{{Protocol: cluster.UDP, First: 53, Last: 53}, {Protocol: cluster.TCP, First: 53, Last: 53}}

// allowDNS lets all pods of a namespace ask for names, and, where DNS itself is in the
// namespace, lets all ask it.
func (s *suggestion) allowDNS(ns string, taken map[string]bool) []*cluster.Draft {
	if s.DNS == nil {
		return nil
	}
	pods := metav1.LabelSelector{MatchLabels: s.DNS.Pods}
	d := cluster.NewDraft(ns, named(taken, "allow-dns"), metav1.LabelSelector{}, cluster.Egress)
	d.AddRule(cluster.Egress, []cluster.DraftPeer{{Namespace: s.DNS.Namespace, Pods: pods}}, dnsPorts)
	d.Annotate(whyAnnotation, "every pod may ask the cluster's DNS for names")
	out := []*cluster.Draft{d}
	if ns == s.DNS.Namespace {
		d := cluster.NewDraft(ns, named(taken, "answer-dns"), pods, cluster.Ingress)
		d.AddRule(cluster.Ingress, []cluster.DraftPeer{{Anywhere: true}}, dnsPorts)
		d.Annotate(whyAnnotation, "every pod may ask the cluster's DNS for names")
		out = append(out, d)
	}
	return out
}

// apply makes the snapshot with the netpols in place of those that the namespaces have.
func (s *suggestion) apply() error {
	var changes []cluster.Change
	names := map[cluster.Ref]bool{}
	for _, d := range s.out.Netpols {
		n, err := d.Compile()
		if err != nil {
			return err
		}
		names[n.Ref()] = true
		s.out.Rules += d.Rules()
		c := cluster.Change{After: n}
		if was, ok := s.Snapshot.Netpol(n.Namespace, n.Name); ok {
			c.Before = was
		}
		changes = append(changes, c)
	}
	for _, ns := range slices.Sorted(slices.Values(s.Namespaces)) {
		for _, n := range s.Snapshot.Netpols(ns) {
			if !names[n.Ref()] {
				s.out.Gone = append(s.out.Gone, n.Ref())
				changes = append(changes, cluster.Change{Before: n})
			}
		}
	}
	var err error
	s.out.After, err = s.Snapshot.Apply(changes...)
	return err
}

// Is tells whether a workload answers for names.
func (d *DNS) Is(w *cluster.Workload) bool {
	return w.Namespace == d.Namespace && slices.ContainsFunc(labelsOf(w), d.selects)
}

func (d *DNS) selects(l labels.Set) bool {
	for key, value := range d.Pods {
		if l[key] != value {
			return false
		}
	}
	return true
}

// DNSPorts are those on which names are asked for.
func DNSPorts() connectivity.PortSet {
	return connectivity.Ports(
		connectivity.PortRange{Protocol: cluster.UDP, First: 53, Last: 53}, connectivity.PortRange{Protocol: cluster.TCP, First: 53, Last: 53},
	)
}
