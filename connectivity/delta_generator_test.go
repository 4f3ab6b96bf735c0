package connectivity_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"
)

// The generator of clusters in which it matters who is who: few labels, so that
// one set means what another means; owners with uids; claims that are true, that
// were, and that never were.

// deltaDraw draws one cluster and one change of it.
type deltaDraw struct {
	*rapid.T
	objects []runtime.Object
	n       int
}

func (d *deltaDraw) one(in int, name string) bool {
	return rapid.IntRange(1, in).Draw(d.T, name) == in
}

func pick[V any](d *deltaDraw, name string, values ...V) V {
	return rapid.SampledFrom(values).Draw(d.T, name)
}

func (d *deltaDraw) name(prefix string) string {
	d.n++
	return fmt.Sprintf("%s%d", prefix, d.n)
}

func drawDelta(t *rapid.T) *deltaDraw {
	d := &deltaDraw{T: t}
	for _, name := range []string{"a", "b"} {
		d.add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: d.labels("env")}})
	}
	for range pick(d, "workloads", 1, 2, 2, 3, 3) {
		d.drawWorkload()
	}
	for range rapid.IntRange(0, 2).Draw(t, "strays") {
		d.add(d.drawPod(d.namespace(), d.labels("app", "tier", "role"), d.drawClaim("Pod")...))
	}
	for range pick(d, "netpols", 0, 1, 1, 2, 2, 3, 4) {
		d.add(d.drawNetpol(d.namespace(), d.name("n")))
	}
	return d
}

func (d *deltaDraw) add(o ...runtime.Object) { d.objects = append(d.objects, o...) }

func (d *deltaDraw) namespace() string { return pick(d, "namespace", "a", "a", "a", "b") }

// labels are some of the keys with one of two values.
func (d *deltaDraw) labels(keys ...string) map[string]string {
	out := map[string]string{}
	for _, k := range keys {
		if v := pick(d, k, "", "1", "2"); v != "" {
			out[k] = v
		}
	}
	return out
}

func (d *deltaDraw) shape() shape {
	s := shape{hostNetwork: d.one(12, "host network")}
	if d.one(4, "ports") {
		s.ports = []corev1.ContainerPort{{Name: "web", ContainerPort: pick[int32](d, "web", 80, 443)}}
	}
	return s
}

// like is labels with perhaps one more, or one changed.
func (d *deltaDraw) like(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	if out == nil {
		out = map[string]string{}
	}
	if d.one(3, "differs") {
		out[pick(d, "key", "tier", "role", "app")] = pick(d, "value", "1", "2")
	}
	return out
}

func inWords(labels map[string]string) string {
	var out []string
	for k, v := range labels {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (d *deltaDraw) drawMaker(kind, namespace, name string, labels, selects map[string]string, owners ...owned) runtime.Object {
	o := makerOf(kind, metaOf(kind, namespace+"/"+name, owners), inWords(labels), selects, d.shape())
	if kind == "ReplicaSet" && d.one(2, "idle") {
		idle(o)
	}
	if d.one(10, "uid lost") {
		o.(metav1.Object).SetUID("")
	}
	return o
}

func (d *deltaDraw) drawPod(namespace string, labels map[string]string, owners ...owned) *corev1.Pod {
	return shapedPod(namespace+"/"+d.name("p"), inWords(labels), d.shape(), owners...)
}

// drawWorkload is a workload of any kind with what belongs to it, some of it of
// another revision.
func (d *deltaDraw) drawWorkload() {
	namespace, kind := d.namespace(), pick(d, "kind", "Deployment", "Deployment", "StatefulSet", "DaemonSet", "ReplicationController", "CronJob", "Job", "ReplicaSet", "Thing")
	selects := map[string]string{"app": pick(d, "app", "1", "2")}
	labels := d.labels("tier", "role")
	maps.Copy(labels, selects)
	name := d.name("w")
	below := map[string]string{"Deployment": "ReplicaSet", "CronJob": "Job", "Thing": "ReplicaSet"}[kind]
	me := of(kind + "/" + name)
	if kind == "Thing" {
		me = ofCustom(kind + "/" + name)
		d.drawPods(namespace, labels, me)
	} else if !d.one(8, "gone") {
		d.add(d.drawMaker(kind, namespace, name, labels, selects, d.drawFalseClaim()...))
	}
	if below == "" {
		d.drawPods(namespace, labels, me)
		return
	}
	for range pick(d, "revisions", 0, 1, 1, 2) {
		revision, labels := d.name(name+"-"), d.like(labels)
		maps.Copy(labels, selects) // or the API server refuses it
		if kind == "CronJob" && d.one(3, "not by the controller") {
			me.notController = true
		}
		d.add(d.drawMaker(below, namespace, revision, labels, selects, me))
		d.drawPods(namespace, labels, of(below+"/"+revision))
	}
}

func (d *deltaDraw) drawPods(namespace string, labels map[string]string, owner owned) {
	for range pick(d, "pods", 0, 1, 1, 2) {
		d.add(d.drawPod(namespace, d.like(labels), owner))
	}
}

// drawFalseClaim is a claim that a template of a top kind may have: it counts for nothing.
func (d *deltaDraw) drawFalseClaim() []owned {
	if d.one(8, "claims something") {
		return []owned{ofCustom("Thing/w1")}
	}
	return nil
}

// drawClaim is what an object of a kind may say of its owners: of those that
// there are, rightly or nearly so.
func (d *deltaDraw) drawClaim(kind string) []owned {
	var out []owned
	for range pick(d, "claims", 0, 1, 1, 1, 1, 2) {
		o := d.drawOwner(kind)
		switch pick(d, "false", "", "", "", "", "uid", "no uid", "group") {
		case "uid":
			o.uid = "false"
		case "no uid":
			o.uid = ""
		case "group":
			o.apiVersion = pick(d, "group", "evil.example/v1", "apps/v1", "v1")
		}
		o.notController = len(out) > 0 || d.one(4, "no controller")
		out = append(out, o)
	}
	return out
}

func (d *deltaDraw) drawOwner(kind string) owned {
	owners := []owned{ofCustom("Thing/w1"), of("Deployment/ghost"), {"v1", "Node", "n1", "n1", false}, {"v1", "ConfigMap", "anchor", "x", false}}
	for _, o := range d.objects {
		switch m := o.(metav1.Object); {
		case isPodObject(o):
			for _, ref := range m.GetOwnerReferences() {
				if !isModelled(&ref) {
					owners = append(owners, owned{ref.APIVersion, ref.Kind, ref.Name, string(ref.UID), false})
				}
			}
		case readable(o):
			owners = append(owners, of(kindOf(o)+"/"+m.GetName()))
			if mayOwn(kindOf(o), kind) {
				owners = append(owners, of(kindOf(o)+"/"+m.GetName()), of(kindOf(o)+"/"+m.GetName()))
			}
		}
	}
	return pick(d, "owner", owners...)
}

func isPodObject(o runtime.Object) bool { _, ok := o.(*corev1.Pod); return ok }

// readable: it has a pod template.
func readable(o runtime.Object) bool { return kindOf(o) != "" && !isPodObject(o) }

func kindOf(o runtime.Object) string {
	switch o.(type) {
	case *corev1.Namespace, *networkingv1.NetworkPolicy:
		return ""
	}
	if x := readSomeone(o); x != nil {
		return x.kind
	}
	return "Pod"
}

func (d *deltaDraw) drawNetpol(namespace, name string) *networkingv1.NetworkPolicy {
	np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	np.Spec.PodSelector = d.selector("app", "tier", "role")
	np.Spec.PolicyTypes = pick(d, "types", []networkingv1.PolicyType{"Ingress"}, []networkingv1.PolicyType{"Egress"}, []networkingv1.PolicyType{"Ingress", "Egress"}, nil)
	for range rapid.IntRange(0, 2).Draw(d.T, "rules") {
		peers, ports := d.drawPeers(), d.drawPorts()
		if d.one(2, "egress") {
			np.Spec.Egress = append(np.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: peers, Ports: ports})
		} else {
			np.Spec.Ingress = append(np.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: peers, Ports: ports})
		}
	}
	return np
}

func (d *deltaDraw) drawPeers() []networkingv1.NetworkPolicyPeer {
	var out []networkingv1.NetworkPolicyPeer
	for range pick(d, "peers", 0, 1, 1, 2) {
		var p networkingv1.NetworkPolicyPeer
		sort := pick(d, "peer", "pods", "pods", "namespaces", "both")
		if sort != "namespaces" {
			s := d.selector("app", "tier", "role")
			p.PodSelector = &s
		}
		if sort != "pods" {
			s := d.selector("env")
			p.NamespaceSelector = &s
		}
		out = append(out, p)
	}
	return out
}

func (d *deltaDraw) drawPorts() []networkingv1.NetworkPolicyPort {
	switch pick(d, "rule ports", "all", "all", "80", "web") {
	case "80":
		p := intstr.FromInt32(80)
		return []networkingv1.NetworkPolicyPort{{Port: &p}}
	case "web":
		p := intstr.FromString("web")
		return []networkingv1.NetworkPolicyPort{{Port: &p}}
	}
	return nil
}

// selector is by one of the keys, or takes everybody.
func (d *deltaDraw) selector(keys ...string) metav1.LabelSelector {
	key := pick(d, "selector key", keys...)
	e := metav1.LabelSelectorRequirement{Key: key}
	switch pick(d, "selector", "all", "is", "is", "is", "not in", "exists", "lacks") {
	case "all":
		return metav1.LabelSelector{}
	case "is":
		return metav1.LabelSelector{MatchLabels: map[string]string{key: pick(d, "value", "1", "2")}}
	case "not in":
		e.Operator, e.Values = metav1.LabelSelectorOpNotIn, []string{pick(d, "value", "1", "2")}
	case "exists":
		e.Operator = metav1.LabelSelectorOpExists
	default:
		e.Operator = metav1.LabelSelectorOpDoesNotExist
	}
	return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{e}}
}

func (d *deltaDraw) question() question {
	side := func() refSelection {
		s := refSelection{pods: d.selector("app", "tier", "role")}
		if d.one(4, "by namespace") {
			s.namespaces = d.selector("env")
		}
		return s
	}
	return question{from: side(), to: side(), probes: []probe{{corev1.ProtocolTCP, 80}, {corev1.ProtocolTCP, 443}, {corev1.ProtocolUDP, 80}}}
}

// change is the cluster after one change.
func (d *deltaDraw) change() []runtime.Object {
	switch pick(d, "change", "create pod", "create pod", "create pod", "create template", "create template", "create netpol", "delete", "update", "update", "update", "update") {
	case "create pod":
		return with(d.objects, objectsOf(d.newPod()))
	case "create template":
		return with(d.objects, objectsOf(d.newTemplate()))
	case "create netpol":
		return with(d.objects, objectsOf(d.drawNetpol(d.namespace(), d.name("n"))))
	case "delete":
		if those := d.objects[2:]; len(those) > 0 { // not the namespaces
			return with(d.objects, nil, pick(d, "deleted", those...))
		}
	}
	o := pick(d, "updated", d.objects...).DeepCopyObject()
	d.update(o)
	return with(d.objects, objectsOf(o))
}

// newPod is one of a template that is there, or of whatever it claims.
func (d *deltaDraw) newPod() runtime.Object {
	var makers []*someone
	for _, o := range d.objects {
		if readable(o) {
			makers = append(makers, readSomeone(o))
		}
	}
	if len(makers) == 0 || d.one(2, "claims at will") {
		return d.drawPod(d.namespace(), d.labels("app", "tier", "role"), d.drawClaim("Pod")...)
	}
	m := pick(d, "of", makers...)
	owner := of(m.kind + "/" + m.object.GetName())
	owner.uid = string(m.object.GetUID())
	return d.drawPod(m.end.namespace, d.like(m.labels), owner)
}

func (d *deltaDraw) newTemplate() runtime.Object {
	kind := pick(d, "kind", "ReplicaSet", "ReplicaSet", "Job", "Job", "Deployment", "StatefulSet", "CronJob", "ReplicationController", "DaemonSet")
	labels := d.labels("app", "tier", "role")
	return d.drawMaker(kind, d.namespace(), d.name("t"), labels, labels, d.drawClaim(kind)...)
}

func (d *deltaDraw) update(o runtime.Object) {
	what := pick(d, "what", "labels", "labels", "owner", "both", "shape")
	switch o := o.(type) {
	case *corev1.Namespace:
		o.Labels = d.labels("env")
	case *networkingv1.NetworkPolicy:
		o.Spec = d.drawNetpol(o.Namespace, o.Name).Spec
	case *corev1.Pod:
		if what == "labels" || what == "both" {
			o.Labels = d.labels("app", "tier", "role")
		}
		if what == "owner" || what == "both" {
			o.OwnerReferences = d.owners("Pod")
		}
		if what == "shape" {
			o.Spec = d.shape().spec()
			o.Status.Phase = pick(d, "phase", corev1.PodRunning, corev1.PodFailed)
		}
	default:
		m, t := o.(metav1.Object), deltaTemplateOf(o)
		if what == "labels" || what == "both" {
			t.Labels = d.labels("app", "tier", "role")
			if s := readSomeone(o).selector; s != nil { // or the API server refuses it
				maps.Copy(t.Labels, s.MatchLabels)
			}
			m.SetLabels(t.Labels)
		}
		if what == "owner" || what == "both" {
			m.SetOwnerReferences(d.owners(kindOf(o)))
		}
		if what == "shape" {
			t.Spec = d.shape().spec()
		}
	}
}

func (d *deltaDraw) owners(kind string) []metav1.OwnerReference {
	return metaOf(kind, "any/any", d.drawClaim(kind)).OwnerReferences
}

func deltaTemplateOf(o runtime.Object) *corev1.PodTemplateSpec {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *appsv1.ReplicaSet:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template
	case *corev1.ReplicationController:
		return o.Spec.Template
	}
	panic(fmt.Sprintf("no template in a %T", o))
}
