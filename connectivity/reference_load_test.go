package connectivity_test

import (
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// newReference reads the objects of a cluster: namespaces, pods, Deployments,
// ReplicaSets and NetworkPolicies.
func newReference(objects []runtime.Object, podNetwork string) *reference {
	r := &reference{namespaces: map[string]map[string]string{}, onlyNamed: map[string]bool{}, podNetwork: podNetwork}
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.Namespace:
			r.namespaces[o.Name] = map[string]string{}
			for k, v := range o.Labels {
				r.namespaces[o.Name][k] = v
			}
		case *networkingv1.NetworkPolicy:
			r.netpols = append(r.netpols, o)
		}
	}
	for _, o := range objects {
		if m := o.(metav1.Object); m.GetNamespace() != "" && r.namespaces[m.GetNamespace()] == nil {
			r.namespaces[m.GetNamespace()] = map[string]string{}
			r.onlyNamed[m.GetNamespace()] = true
		}
	}
	for name, labels := range r.namespaces {
		labels["kubernetes.io/metadata.name"] = name
	}
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.Pod:
			if o.Status.Phase != corev1.PodSucceeded && o.Status.Phase != corev1.PodFailed {
				p := mayGet(o)
				p.name = o.Name
				for _, ip := range o.Status.PodIPs {
					p.ips = append(p.ips, ip.IP)
				}
				p.peer, p.template = peerOfPod(objects, o)
				p.made = asMade(objects, o, p.template)
				r.pods = append(r.pods, p)
			}
		case *appsv1.Deployment:
			for _, p := range refPodsOf(o) {
				p.peer = o.Namespace + "/Deployment/" + o.Name
				r.pods = append(r.pods, p)
			}
		case *appsv1.ReplicaSet:
			// A revision counts, scaled to zero or not, unless it says what its Deployment says.
			peer, copied := peerOfReplicaSet(objects, o)
			if !copied {
				for _, p := range refPodsOf(o) {
					p.peer = peer
					r.pods = append(r.pods, p)
				}
			}
		case *appsv1.StatefulSet, *appsv1.DaemonSet, *batchv1.Job, *batchv1.CronJob:
			for _, p := range refPodsOf(o) {
				m := o.(metav1.Object)
				p.peer = m.GetNamespace() + "/" + numberedKind(o) + "/" + m.GetName()
				r.pods = append(r.pods, p)
			}
		}
	}
	return r
}

func newRefPod(namespace string, labels map[string]string, spec *corev1.PodSpec) *refPod {
	p := &refPod{namespace: namespace, labels: labels, hostNetwork: spec.HostNetwork}
	for _, c := range spec.Containers {
		p.ports = append(p.ports, c.Ports...)
	}
	return p
}

// peerOfPod: pods of one top controller that carry its template's labels are one
// peer; a pod relabelled away stands alone, and template is what it was made from.
func peerOfPod(objects []runtime.Object, p *corev1.Pod) (peer string, template map[string]string) {
	alone := p.Namespace + "/Pod/" + p.Name
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return alone, nil
	}
	if peer, template, ok := peerOfNumbered(objects, p, owner); ok {
		return peer, template
	}
	for _, o := range objects {
		rs, ok := o.(*appsv1.ReplicaSet)
		if ok && owner.Kind == "ReplicaSet" && rs.Namespace == p.Namespace && rs.Name == owner.Name {
			if !holds(p.Labels, rs.Spec.Template.Labels) {
				return alone, rs.Spec.Template.Labels
			}
			peer, _ := peerOfReplicaSet(objects, rs)
			return peer, nil
		}
		d, ok := o.(*appsv1.Deployment)
		if ok && owner.Kind == "Deployment" && d.Namespace == p.Namespace && d.Name == owner.Name {
			if !holds(p.Labels, d.Spec.Template.Labels) {
				return alone, d.Spec.Template.Labels
			}
			return p.Namespace + "/Deployment/" + d.Name, nil
		}
	}
	// The ReplicaSet is not known yet: the Deployment's name is its prefix.
	if hash := p.Labels["pod-template-hash"]; owner.Kind == "ReplicaSet" && hash != "" && strings.HasSuffix(owner.Name, "-"+hash) {
		i := slices.IndexFunc(objects, func(o runtime.Object) bool {
			d, ok := o.(*appsv1.Deployment)
			return ok && d.Namespace == p.Namespace && d.Name+"-"+hash == owner.Name && holds(p.Labels, d.Spec.Template.Labels)
		})
		if i >= 0 {
			return p.Namespace + "/Deployment/" + objects[i].(*appsv1.Deployment).Name, nil
		}
	}
	return p.Namespace + "/" + owner.Kind + "/" + owner.Name, nil
}

// peerOfReplicaSet is the Deployment when that is there and its labels are
// carried; else the ReplicaSet is a peer by itself. copied says that the template is
// the Deployment's but for the hash.
func peerOfReplicaSet(objects []runtime.Object, rs *appsv1.ReplicaSet) (peer string, copied bool) {
	owner := metav1.GetControllerOf(rs)
	alone := rs.Namespace + "/ReplicaSet/" + rs.Name
	if owner == nil {
		return alone, false
	}
	for _, o := range objects {
		if d, ok := o.(*appsv1.Deployment); ok && owner.Kind == "Deployment" && d.Namespace == rs.Namespace && d.Name == owner.Name {
			if !holds(rs.Spec.Template.Labels, d.Spec.Template.Labels) {
				return alone, false
			}
			mine, its := rs.Spec.Template, d.Spec.Template
			labels := maps.Clone(mine.Labels)
			_, hashed := labels["pod-template-hash"]
			delete(labels, "pod-template-hash")
			a, b := newRefPod("", labels, &mine.Spec), newRefPod("", its.Labels, &its.Spec)
			same := hashed && maps.Equal(a.labels, b.labels) && a.hostNetwork == b.hostNetwork && slices.Equal(a.named(), b.named())
			return rs.Namespace + "/Deployment/" + d.Name, same
		}
	}
	if owner.Kind == "Deployment" || owner.Kind == "ReplicaSet" {
		return alone, false
	}
	return rs.Namespace + "/" + owner.Kind + "/" + owner.Name, false
}

// named are the ports that a name can stand for.
func (p *refPod) named() []corev1.ContainerPort {
	return slices.DeleteFunc(slices.Clone(p.ports), func(c corev1.ContainerPort) bool { return c.Name == "" })
}

func holds(labels, wanted map[string]string) bool {
	for k, v := range wanted {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// truths is the truth of every probed port between the pods of two peers.
func (r *reference) truths(from, to []*refPod) map[probe]truth {
	out := map[probe]truth{}
	for _, s := range from {
		for _, d := range to {
			for _, p := range probes {
				out[p] = out[p].or(r.connection(refEnd{pod: s}, refEnd{pod: d}, p.protocol, p.port))
			}
		}
	}
	return out
}

// byPeer groups the pods by the peer that they count to.
func (r *reference) byPeer() map[string][]*refPod {
	out := map[string][]*refPod{}
	for _, p := range r.pods {
		out[p.peer] = append(out[p.peer], p)
	}
	return out
}

// probe is one port of one protocol.
type probe struct {
	protocol corev1.Protocol
	port     int
}

// probes are the ports on which clusters of the generator can differ.
var probes = func() []probe {
	var out []probe
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP} {
		for _, port := range []int{1, 53, 79, 80, 81, 90, 91, 443, 8080, 65535} {
			out = append(out, probe{protocol, port})
		}
	}
	return out
}()

func templateOf(o runtime.Object) *corev1.PodTemplateSpec {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.ReplicaSet:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template
	}
	return nil
}
