package main

import (
	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/test/bench/town"
)

// cyclonus is its matcher: it answers for one pair of pods and one port at a time.
type cyclonus struct {
	netpols         []*networkingv1.NetworkPolicy
	frontends, apis []*corev1.Pod
	namespaceLabels map[string]map[string]string
}

func newCyclonus(s *scene) *cyclonus {
	c := &cyclonus{namespaceLabels: map[string]map[string]string{}}
	for _, o := range s.objects {
		switch o := o.(type) {
		case *networkingv1.NetworkPolicy:
			c.netpols = append(c.netpols, o)
		case *corev1.Namespace:
			c.namespaceLabels[o.Name] = o.Labels
		case *corev1.Pod:
			switch o.Labels[town.TierLabel] {
			case town.Frontend:
				c.frontends = append(c.frontends, o)
			case town.API:
				c.apis = append(c.apis, o)
			}
		}
	}
	return c
}

// podPair is a frontend and an API, by namespace/name.
type podPair [2]string

// open lists the frontends that reach APIs on a port of one of their
// containers.
func (c *cyclonus) open() (map[podPair]bool, int) {
	policy := matcher.BuildNetworkPolicies(true, c.netpols)
	open, asked := map[podPair]bool{}, 0
	for _, from := range c.frontends {
		for _, to := range c.apis {
			for _, p := range to.Spec.Containers[0].Ports {
				asked++
				allowed := policy.IsTrafficAllowed(&matcher.Traffic{
					Source: c.peer(from), Destination: c.peer(to),
					ResolvedPort: int(p.ContainerPort), ResolvedPortName: p.Name, Protocol: p.Protocol,
				})
				if allowed.IsAllowed() {
					open[podPair{from.Namespace + "/" + from.Name, to.Namespace + "/" + to.Name}] = true
				}
			}
		}
	}
	return open, asked
}

func (c *cyclonus) peer(p *corev1.Pod) *matcher.TrafficPeer {
	return &matcher.TrafficPeer{IP: p.Status.PodIP, Internal: &matcher.InternalPeer{
		PodLabels: p.Labels, Namespace: p.Namespace, NamespaceLabels: c.namespaceLabels[p.Namespace],
	}}
}

// open is the same list by Podcullis.
func (o *own) open(q connectivity.Query) []connectivity.Connection {
	return connectivity.Open(o.base, q, connectivity.Options{})
}

// pairsOf spells connections out in pods, where they hold a port of a container.
func pairsOf(list []connectivity.Connection, apis []*corev1.Pod) map[podPair]bool {
	ports := map[string]connectivity.PortSet{}
	for _, d := range apis {
		var ranges []connectivity.PortRange
		for _, p := range d.Spec.Containers[0].Ports {
			protocol, _ := cluster.ParseProtocol(string(p.Protocol))
			ranges = append(ranges, connectivity.PortRange{Protocol: protocol, First: uint16(p.ContainerPort), Last: uint16(p.ContainerPort)})
		}
		ports[d.Namespace+"/"+d.Name] = connectivity.Ports(ranges...)
	}
	out := map[podPair]bool{}
	for _, c := range list {
		if c.Unknown != "" {
			continue
		}
		for _, to := range podsOf(c.To.Workload) {
			if c.Ports.Intersect(ports[to]).Empty() {
				continue
			}
			for _, from := range podsOf(c.From.Workload) {
				out[podPair{from, to}] = true
			}
		}
	}
	return out
}

func podsOf(w *cluster.Workload) []string {
	var out []string
	for _, v := range w.Variants {
		for _, p := range v.Pods {
			out = append(out, w.Namespace+"/"+p)
		}
	}
	return out
}
