package selfguard

import (
	"fmt"
	"net/netip"
	"strings"

	"go4.org/netipx"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// reach is which addresses outside the cluster a pod can be reached from, and can reach.
type reach struct{ in, out *netipx.IPSet }

// reachOf asks about one pod by itself: what its netpols let through depends on nothing else.
func (s *Settings) reachOf(snapshot *cluster.Snapshot, pod *cluster.Pod) (reach, error) {
	lone := *pod
	lone.Owners, lone.Namespace = nil, s.Namespace
	if lone.Name == "" {
		lone.Name = s.Deployment
	}
	objects := []cluster.Object{&lone}
	if ns, ok := snapshot.Namespace(s.Namespace); ok && !ns.Implied {
		objects = append(objects, ns)
	}
	for _, n := range snapshot.Netpols(s.Namespace) {
		objects = append(objects, n)
	}
	small, err := cluster.New(objects...)
	if err != nil {
		return reach{}, err
	}
	in, err := addresses(small, cluster.Ingress, s.incoming())
	if err != nil {
		return reach{}, err
	}
	out, err := addresses(small, cluster.Egress, s.outgoing())
	return reach{in, out}, err
}

// addresses are those outside the cluster that the only pod of a snapshot has, on at
// least one of the ports, a path from or to. One that is unknown counts.
func addresses(s *cluster.Snapshot, d cluster.Direction, ports connectivity.PortSet) (*netipx.IPSet, error) {
	var b netipx.IPSetBuilder
	for _, block := range connectivity.Anywhere() {
		q := connectivity.Query{From: connectivity.Selection{Block: block}, To: connectivity.Everyone(), Ports: ports}
		if d == cluster.Egress {
			q.From, q.To = q.To, q.From
		}
		for _, c := range connectivity.Open(s, q, connectivity.Options{}) {
			for _, p := range []connectivity.Peer{c.From, c.To} {
				if p.CIDR.IsValid() {
					b.AddPrefix(p.CIDR)
				}
			}
		}
	}
	return b.IPSet()
}

// cuts says how a change of the model cuts pods of the release off, in one sentence;
// sure is false where it depends on where the API server is.
func (s *Settings) cuts(before, after *cluster.Snapshot) (why string, sure bool, err error) {
	for _, pod := range s.pods(after) {
		was := s.earlier(before, pod)
		then, err := s.reachOf(before, was)
		if err != nil {
			return "", false, err
		}
		now, err := s.reachOf(after, pod)
		if err != nil {
			return "", false, err
		}
		name := "its pods"
		if pod.Name != "" {
			name = "Pod " + s.Namespace + "/" + pod.Name
		}
		incoming, outgoing := "could reach "+name+" on "+s.incoming().String(), "could be reached from "+name+" on "+s.outgoing().String()
		switch {
		case gone(then.in, now.in):
			return "no address outside the cluster " + incoming, true, nil
		case gone(then.out, now.out):
			return "no address outside the cluster " + outgoing, true, nil
		}
		if lost := s.lost(then.in, now.in); lost != "" && why == "" {
			why = fmt.Sprintf("the API server at %s no longer %s", lost, incoming)
		}
		if lost := s.lost(then.out, now.out); lost != "" && why == "" {
			why = fmt.Sprintf("the API server at %s no longer %s", lost, outgoing)
		}
	}
	return why, false, nil
}

// gone reports whether there was something and now there is nothing.
func gone(was, now *netipx.IPSet) bool { return len(was.Ranges()) > 0 && len(now.Ranges()) == 0 }

// lost names the addresses of the API server that are lost; empty for none.
func (s *Settings) lost(was, now *netipx.IPSet) string {
	var lost []string
	for _, text := range s.APIServer.CIDRs {
		block, err := netip.ParsePrefix(text)
		if err != nil {
			continue // checked when it was read
		}
		var b netipx.IPSetBuilder
		b.AddPrefix(block.Masked())
		b.Intersect(was)
		b.RemoveSet(now)
		if set, err := b.IPSet(); err == nil && len(set.Ranges()) > 0 {
			lost = append(lost, text)
		}
	}
	return strings.Join(lost, ", ")
}

// pods are those that the Service finds, and one as the Deployment makes it.
func (s *Settings) pods(snapshot *cluster.Snapshot) []*cluster.Pod {
	var out []*cluster.Pod
	for w := range snapshot.Workloads(s.Namespace) {
		for _, v := range w.Variants {
			for _, name := range v.Pods {
				if pod, ok := snapshot.Pod(s.Namespace, name); ok && s.finds(pod.Labels) {
					out = append(out, pod)
				}
			}
			for _, ref := range v.Templates {
				if t, ok := snapshot.Template(ref); ok && s.isDeployment(t) {
					out = append(out, madeBy(t))
				}
			}
		}
	}
	return out
}

// earlier is what a pod was before; one that was not there is compared with itself.
func (s *Settings) earlier(before *cluster.Snapshot, pod *cluster.Pod) *cluster.Pod {
	if pod.Name == "" {
		if t, ok := before.Template(cluster.Ref{Namespace: s.Namespace, Kind: "Deployment", Name: s.Deployment}); ok {
			return madeBy(t)
		}
	}
	if old, ok := before.Pod(s.Namespace, pod.Name); ok {
		return old
	}
	return pod
}

// madeBy is a pod that a template makes, without a name.
func madeBy(t *cluster.Template) *cluster.Pod {
	return &cluster.Pod{Labels: t.Labels, Ports: t.Ports, HostNetwork: t.HostNetwork}
}

func (s *Settings) isDeployment(t *cluster.Template) bool {
	return t.Namespace == s.Namespace && t.Group == "apps" && t.Kind == "Deployment" && t.Name == s.Deployment
}

func tcp(ports ...uint16) connectivity.PortSet {
	var set connectivity.PortSet
	for _, p := range ports {
		set = set.Union(connectivity.Ports(connectivity.PortRange{Protocol: cluster.TCP, First: p, Last: p}))
	}
	return set
}

// Annotation is how an object says that the cut is meant.
const Annotation = "podcullis.io/cut-off"

// Meant is its value.
const Meant = "meant"

func meant(o *metav1.ObjectMeta) bool { return o.Annotations[Annotation] == Meant }
