package connectivity_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// entranceCase is a cluster with what leads into it, and who serves that.
type entranceCase struct {
	reference *reference
	services  []*corev1.Service
	// behind are the Services that an Ingress or a route leads to, "namespace/name".
	behind  map[connectivity.Through][]string
	served  bool   // the pods of namespace a serve them
	servers string // or the addresses of a block
}

func drawService(t *rapid.T, name string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: drawNamespace.Draw(t, name+" namespace")}}
	s.Spec.Selector = drawLabels(t, name)
	s.Spec.Type = rapid.SampledFrom([]corev1.ServiceType{corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer}).Draw(t, name+" type")
	if rapid.Bool().Draw(t, name+" local") {
		s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}
	if rapid.IntRange(0, 2).Draw(t, name+" external") == 0 {
		s.Spec.ExternalIPs = []string{"192.0.2.1"}
	}
	if rapid.Bool().Draw(t, name+" ranges") {
		none := false
		s.Spec.AllocateLoadBalancerNodePorts = &none
		s.Spec.LoadBalancerSourceRanges = []string{"10.0.0.0/8"}
	}
	target := rapid.SampledFrom([]intstr.IntOrString{{}, intstr.FromInt32(80), intstr.FromString("web")}).Draw(t, name+" target")
	s.Spec.Ports = []corev1.ServicePort{{Port: 8080, TargetPort: target}}
	return s
}

func drawEntries(t *rapid.T) (objects []runtime.Object, routes []cluster.Object, c entranceCase) {
	c.behind = map[connectivity.Through][]string{}
	for i := range rapid.IntRange(1, 3).Draw(t, "services") {
		s := drawService(t, fmt.Sprintf("s%d", i))
		c.services = append(c.services, s)
		objects = append(objects, s)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "ingresses") {
		s := rapid.SampledFrom(c.services).Draw(t, "backend")
		in := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("i%d", i), Namespace: s.Namespace}}
		port := networkingv1.ServiceBackendPort{Number: rapid.SampledFrom([]int32{8080, 81}).Draw(t, "backend port")}
		in.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: s.Name, Port: port}}
		if port.Number == 8080 {
			c.behind[connectivity.ThroughIngress] = append(c.behind[connectivity.ThroughIngress], s.Namespace+"/"+s.Name)
		}
		objects = append(objects, in)
	}
	if rapid.Bool().Draw(t, "route") {
		s := rapid.SampledFrom(c.services).Draw(t, "route's backend")
		r, _, err := cluster.NewRoute("HTTPRoute", "b", fmt.Appendf(nil, `{"metadata":{"name":"r"},"spec":{"rules":[{"backendRefs":[{"name":%q,"namespace":%q,"port":8080}]}]}}`, s.Name, s.Namespace))
		if err != nil {
			t.Fatal(err)
		}
		c.behind[connectivity.ThroughRoute] = []string{s.Namespace + "/" + s.Name}
		routes = append(routes, r)
	}
	return objects, routes, c
}

// TestLawEntrances holds of random clusters: what can be reached from outside, through
// what, is what a plain reading says, pod by pod, address by address.
func TestLawEntrances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		objects := drawObjects(t)
		entries, routes, c := drawEntries(t)
		c.reference = newReference(objects, "")
		s := snapshotOf(t, append(objects, entries...))
		for _, r := range routes {
			var err error
			if s, err = s.Apply(cluster.Change{After: r}); err != nil {
				t.Fatal(err)
			}
		}
		q := connectivity.EntranceQuery{To: connectivity.Everyone()}
		switch rapid.IntRange(0, 2).Draw(t, "controllers") {
		case 0:
			c.served = true
			q.Controllers = []connectivity.Selection{{Namespaces: selectorOf(t, "kubernetes.io/metadata.name", "a"), Pods: selector.Everything()}}
		case 1:
			c.servers = "10.0.0.0/8"
			q.Controllers = []connectivity.Selection{{Block: netip.MustParsePrefix(c.servers)}}
		}
		entrances := connectivity.OpenedEntrances(&cluster.Snapshot{}, s, q, connectivity.Options{})
		got := answersOf(entrances)
		for _, x := range entrances {
			if (len(x.Ways) > 0) == (x.Through == connectivity.ThroughDefault || x.Through == connectivity.ThroughIPBlock) {
				t.Fatalf("%s has the ways %v", string(x.Through)+" "+x.To.String(), x.Ways)
			}
		}
		for peer, pods := range c.reference.byPeer() {
			for _, through := range connectivity.Throughs() {
				blocks := got[string(through)+" "+peer]
				for _, address := range outsiders {
					for _, p := range probes {
						want := blocked
						for _, pod := range pods {
							want = want.or(c.entrance(through, pod, address, p))
						}
						if a := blockOf(blocks, address); a.level(p) != want.level {
							t.Fatalf("%s through %s from %s on %s %d: got %s, want %s %s", peer, through, address, p.protocol, p.port, levelNames[a.level(p)], levelNames[want.level], want.reasons)
						}
					}
				}
			}
		}
	})
}

func selectorOf(t *rapid.T, key, value string) selector.Selector {
	s, err := selector.New(metav1.LabelSelector{MatchLabels: map[string]string{key: value}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// entrance is the truth about one pod, one address outside and one port.
func (c *entranceCase) entrance(through connectivity.Through, pod *refPod, address string, p probe) truth {
	from := func(a string) truth {
		end := refEnd{pod: pod}
		return c.reference.side(networkingv1.PolicyTypeIngress, end, refEnd{address: a}, end, p.protocol, p.port)
	}
	switch through {
	case connectivity.ThroughDefault, connectivity.ThroughIPBlock:
		isolated := c.reference.isolated(networkingv1.PolicyTypeIngress, pod)
		byRule := c.byRule(pod, address, p)
		switch {
		case isolated == blocked && through == connectivity.ThroughDefault:
			return open
		case isolated == blocked:
			return blocked
		case through == connectivity.ThroughIPBlock:
			return byRule
		case isolated.level == 1 && byRule != open:
			return isolated
		}
		return blocked
	case connectivity.ThroughService:
		return c.anyService(pod, p, func(s *corev1.Service) truth {
			switch {
			case s.Spec.Type == corev1.ServiceTypeClusterIP && len(s.Spec.ExternalIPs) == 0:
				return blocked
			case s.Spec.Type == corev1.ServiceTypeLoadBalancer && len(s.Spec.ExternalIPs) == 0 && len(s.Spec.LoadBalancerSourceRanges) > 0 && !strings.HasPrefix(address, "10."):
				return blocked
			case s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal:
				return from(address)
			case slices.ContainsFunc(outsiders, func(a string) bool { return from(a) != open }):
				return unknown("node-exception")
			}
			return open
		})
	}
	return c.anyService(pod, p, func(s *corev1.Service) truth {
		if !slices.Contains(c.behind[through], s.Namespace+"/"+s.Name) {
			return blocked
		}
		return c.fromController(pod, p, from)
	})
}

// byRule is what the netpols' rules let in from an address, without what is open by default.
func (c *entranceCase) byRule(pod *refPod, address string, p probe) truth {
	out := blocked
	for _, np := range c.reference.netpols {
		if pod.hostNetwork || namespaceOf(np) != pod.namespace || !slices.Contains(typesOf(np), networkingv1.PolicyTypeIngress) {
			continue
		}
		for _, rule := range rulesOf(np, networkingv1.PolicyTypeIngress) {
			out = out.or(pod.selected(&np.Spec.PodSelector).and(c.reference.anyPeer(np, rule.peers, refEnd{address: address})).and(anyPort(rule.ports, refEnd{pod: pod}, p.protocol, p.port)))
		}
	}
	return out
}

func (c *entranceCase) anyService(pod *refPod, p probe, through func(*corev1.Service) truth) truth {
	out := blocked
	for _, s := range c.services {
		if s.Namespace != pod.namespace || len(s.Spec.Selector) == 0 || p.protocol != corev1.ProtocolTCP {
			continue
		}
		target := s.Spec.Ports[0].TargetPort
		if target == (intstr.IntOrString{}) {
			target = intstr.FromInt32(8080)
		}
		leads := portMatches(networkingv1.NetworkPolicyPort{Port: &target}, refEnd{pod: pod}, p.protocol, p.port)
		out = out.or(pod.selected(&metav1.LabelSelector{MatchLabels: s.Spec.Selector}).and(leads).and(through(s)))
	}
	return out
}

func (c *entranceCase) fromController(pod *refPod, p probe, from func(string) truth) truth {
	out, known := blocked, c.servers != ""
	if c.servers != "" {
		for _, a := range outsiders {
			if strings.HasPrefix(a, "10.") {
				out = out.or(from(a))
			}
		}
	}
	for _, x := range c.reference.pods {
		if !c.served || x.namespace != "a" {
			continue
		}
		known = true
		if x.peer == pod.peer {
			return open
		}
		out = out.or(c.reference.connection(refEnd{pod: x}, refEnd{pod: pod}, p.protocol, p.port))
	}
	if known {
		return out
	}
	// Nobody knows who it is: what is open to anybody is open, and all else is not proved.
	end := refEnd{pod: pod}
	if c.reference.isolated(networkingv1.PolicyTypeIngress, pod) == blocked {
		return open
	}
	for _, np := range c.reference.netpols {
		if pod.hostNetwork || namespaceOf(np) != pod.namespace || !slices.Contains(typesOf(np), networkingv1.PolicyTypeIngress) {
			continue
		}
		for _, rule := range rulesOf(np, networkingv1.PolicyTypeIngress) {
			if len(rule.peers) == 0 {
				out = out.or(pod.selected(&np.Spec.PodSelector).and(anyPort(rule.ports, end, p.protocol, p.port)))
			}
		}
	}
	return out.or(unknown("controller-unknown"))
}

// answersOf are entrances by what they lead through and to, and by where they begin.
func answersOf(all []connectivity.Entrance) map[string]map[netip.Prefix]answer {
	got := map[string]map[netip.Prefix]answer{}
	for _, x := range all {
		key := string(x.Through) + " " + x.To.String()
		if got[key] == nil {
			got[key] = map[netip.Prefix]answer{}
		}
		a := got[key][x.From.CIDR]
		if x.Unknown == "" {
			a.open = a.open.Union(x.Ports)
		} else {
			a.unknown = a.unknown.Union(x.Ports)
		}
		got[key][x.From.CIDR] = a
	}
	return got
}
