package oracle

import (
	"net/netip"
	"testing"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

func TestCyclonusAgrees(t *testing.T) { rapid.Check(t, agree) }

func FuzzCyclonusAgrees(f *testing.F) { f.Fuzz(rapid.MakeFuzz(agree)) }

// agree draws a cluster and compares every pair of different pods, and every pod
// with addresses outside the cluster, on every port that could make a difference.
func agree(t *rapid.T) {
	w := drawWorld(t)
	s := w.snapshot(t)
	theirs := matcher.BuildNetworkPolicies(rapid.Bool().Draw(t, "simplified"), w.netpols)
	ours := answers{}
	for _, c := range connectivity.Connections(s, connectivity.Options{PodNetwork: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}) {
		if c.Unknown != "" {
			t.Fatalf("%s -> %s is unknown (%s), and nothing here is", c.From, c.To, c.Unknown)
		}
		ours = append(ours, c)
	}
	for _, from := range w.peers() {
		for _, to := range w.peers() {
			if from.name == to.name || from.pod == nil && to.pod == nil {
				continue
			}
			for _, p := range probes {
				traffic := &matcher.Traffic{Source: from.theirs(w), Destination: to.theirs(w), ResolvedPort: int(p.port), ResolvedPortName: to.nameOf(p), Protocol: corev1.Protocol(p.protocol.String())}
				want := theirs.IsTrafficAllowed(traffic).IsAllowed()
				if got := ours.open(from, to, p); got != want {
					t.Fatalf("%s -> %s on %s %d: Podcullis says open=%v, cyclonus says open=%v\n%s", from.name, to.name, p.protocol, p.port, got, want, theirs.ExplainTable())
				}
			}
		}
	}
}

type probe struct {
	protocol cluster.Protocol
	port     uint16
}

// probes are the ports that the drawn netpols and pods name, and their neighbours.
var probes = []probe{
	{cluster.TCP, 53},
	{cluster.TCP, 79},
	{cluster.TCP, 80},
	{cluster.TCP, 81},
	{cluster.TCP, 90},
	{cluster.TCP, 91},
	{cluster.TCP, 8080},
	{cluster.UDP, 53},
	{cluster.UDP, 80},
	{cluster.SCTP, 80},
	{cluster.TCP, 65535},
}

// peer is a pod, or an address outside the cluster.
type peer struct {
	name    string
	address netip.Addr
	pod     *corev1.Pod
}

func (p peer) theirs(w *world) *matcher.TrafficPeer {
	out := &matcher.TrafficPeer{IP: p.address.String()}
	if p.pod != nil {
		out.Internal = &matcher.InternalPeer{PodLabels: p.pod.Labels, NamespaceLabels: w.labels[p.pod.Namespace], Namespace: p.pod.Namespace}
	}
	return out
}

// nameOf is what the destination calls a port.
func (p peer) nameOf(q probe) string {
	if p.pod == nil {
		return ""
	}
	for _, c := range p.pod.Spec.Containers {
		for _, port := range c.Ports {
			if port.ContainerPort == int32(q.port) && string(port.Protocol) == q.protocol.String() {
				return port.Name
			}
		}
	}
	return ""
}

type answers []connectivity.Connection

func (a answers) open(from, to peer, p probe) bool {
	for _, c := range a {
		if is(c.From, from) && is(c.To, to) && c.Ports.Contains(p.protocol, p.port) {
			return true
		}
	}
	return false
}

func is(got connectivity.Peer, want peer) bool {
	if want.pod == nil {
		return got.Workload == nil && got.CIDR.Contains(want.address)
	}
	return got.Workload != nil && got.Workload.Ref == cluster.Ref{Namespace: want.pod.Namespace, Kind: "Pod", Name: want.pod.Name}
}

type world struct {
	labels  map[string]map[string]string // of the namespaces
	pods    []*corev1.Pod
	netpols []*networkingv1.NetworkPolicy
}

func (w *world) snapshot(t *rapid.T) *cluster.Snapshot {
	var objects []cluster.Object
	add := func(o cluster.Object, err error) {
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	for name, labels := range w.labels {
		add(cluster.FromAPI(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}))
	}
	for _, p := range w.pods {
		add(cluster.FromAPI(p))
	}
	for _, n := range w.netpols {
		add(cluster.FromAPI(n))
	}
	s, err := cluster.New(objects...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) peers() []peer {
	out := []peer{}
	for _, p := range w.pods {
		out = append(out, peer{p.Namespace + "/" + p.Name, netip.MustParseAddr(p.Status.PodIP), p})
	}
	for _, a := range []string{"1.1.1.1", "192.168.1.7", "192.168.2.7", "2001:db8::1"} {
		out = append(out, peer{a, netip.MustParseAddr(a), nil})
	}
	return out
}
