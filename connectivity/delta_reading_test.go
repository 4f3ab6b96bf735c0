package connectivity_test

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// The naive reading of what a change opens: who is who, and who was what
// before, from the API objects, pod by pod and template by template. It shares
// no code with the engine; whether a port is open it asks the reference.

// someone is an end of a path: a pod, or the pods that a template makes.
type someone struct {
	object      metav1.Object // the pod, or what has the template
	group, kind string
	labels      map[string]string     // of the pod, or of the template
	selector    *metav1.LabelSelector // of what has the template; nil for a CronJob
	end         *refPod
}

func (x *someone) isPod() bool { return x.kind == "Pod" }

// identity is what a template is known by, whatever its uid.
func (x *someone) identity() string {
	return strings.Join([]string{x.end.namespace, x.group, x.kind, x.object.GetName()}, "|")
}

func (x *someone) shown() string { return x.end.namespace + "/" + x.kind + "/" + x.object.GetName() }

// moment is a cluster at one time.
type moment struct {
	*reference
	everyone []*someone
}

func readMoment(objects []runtime.Object) *moment {
	m := &moment{reference: newReference(nil, "")}
	for _, o := range objects {
		switch o := o.(type) {
		case *corev1.Namespace:
			m.namespaces[o.Name] = map[string]string{"kubernetes.io/metadata.name": o.Name}
			for k, v := range o.Labels {
				m.namespaces[o.Name][k] = v
			}
		case *networkingv1.NetworkPolicy:
			m.netpols = append(m.netpols, o)
		default:
			if x := readSomeone(o); x != nil {
				m.everyone = append(m.everyone, x)
			}
		}
	}
	return m
}

// readSomeone is nil for a pod that has ended: it reaches nobody.
func readSomeone(o runtime.Object) *someone {
	made := func(group, kind string, object metav1.Object, selector *metav1.LabelSelector, t *corev1.PodTemplateSpec) *someone {
		if selector == nil && kind != "CronJob" { // the API server fills it in so
			selector = &metav1.LabelSelector{MatchLabels: t.Labels}
		}
		return &someone{object, group, kind, t.Labels, selector, endOf(object.GetNamespace(), t.Labels, &t.Spec)}
	}
	switch o := o.(type) {
	case *corev1.Pod:
		if o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed {
			return nil
		}
		x := &someone{object: o, kind: "Pod", labels: o.Labels, end: endOf(o.Namespace, o.Labels, &o.Spec)}
		for _, ip := range o.Status.PodIPs {
			x.end.ips = append(x.end.ips, ip.IP)
		}
		return x
	case *appsv1.Deployment:
		return made("apps", "Deployment", o, o.Spec.Selector, &o.Spec.Template)
	case *appsv1.StatefulSet:
		return made("apps", "StatefulSet", o, o.Spec.Selector, &o.Spec.Template)
	case *appsv1.DaemonSet:
		return made("apps", "DaemonSet", o, o.Spec.Selector, &o.Spec.Template)
	case *appsv1.ReplicaSet:
		return made("apps", "ReplicaSet", o, o.Spec.Selector, &o.Spec.Template)
	case *batchv1.Job:
		return made("batch", "Job", o, o.Spec.Selector, &o.Spec.Template)
	case *batchv1.CronJob:
		return made("batch", "CronJob", o, nil, &o.Spec.JobTemplate.Spec.Template)
	case *corev1.ReplicationController:
		if o.Spec.Selector == nil {
			return made("", "ReplicationController", o, nil, o.Spec.Template)
		}
		return made("", "ReplicationController", o, &metav1.LabelSelector{MatchLabels: o.Spec.Selector}, o.Spec.Template)
	}
	panic(fmt.Sprintf("the reading knows no %T", o))
}

func endOf(namespace string, labels map[string]string, spec *corev1.PodSpec) *refPod {
	p := newRefPod(namespace, labels, spec)
	for i := range spec.InitContainers {
		if c := &spec.InitContainers[i]; c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			p.ports = append(p.ports, c.Ports...)
		}
	}
	return p
}

// Who belongs to whom.

// groupOfKind are the kinds in the model.
var groupOfKind = map[string]string{
	"Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "ReplicaSet": "apps",
	"Job": "batch", "CronJob": "batch", "ReplicationController": "",
}

// owner is who someone belongs to: an owner in the model, or one that is not.
type owner struct {
	modelled *someone
	// foreign is an owner that the model does not hold: group, kind, name and uid.
	foreign string
	shown   string // "namespace/Kind/name" of it
}

func (m *moment) ownerOf(x *someone) owner {
	if c := metav1.GetControllerOf(x.object); c != nil {
		return m.borneOut(x, c)
	}
	var known []owner
	for _, ref := range x.object.GetOwnerReferences() {
		if o := m.borneOut(x, &ref); o.modelled != nil {
			known = append(known, o)
		}
	}
	if len(known) == 1 {
		return known[0]
	}
	return owner{}
}

// borneOut is the owner that a reference names, if it is one.
func (m *moment) borneOut(x *someone, ref *metav1.OwnerReference) owner {
	group, inModel := groupOf(ref), isModelled(ref)
	switch {
	case !slices.Contains([]string{"Pod", "ReplicaSet", "Job", "ReplicationController"}, x.kind):
		return owner{} // whoever owns it, it is a workload by itself
	case group == "" && (ref.Kind == "Pod" || ref.Kind == "Node"):
		return owner{}
	case inModel:
		o := m.named(x, ref)
		if o == nil || !mayOwn(o.kind, x.kind) || (o.selector != nil && selectorMatches(o.selector, x.labels) != open) {
			return owner{}
		}
		return owner{modelled: o}
	}
	kind := ref.Kind
	if _, known := groupOfKind[kind]; known {
		if group == "" {
			group = "core"
		}
		kind += "." + group
	}
	return owner{
		foreign: strings.Join([]string{x.end.namespace, group, ref.Kind, ref.Name, string(ref.UID)}, "|"),
		shown:   x.end.namespace + "/" + kind + "/" + ref.Name,
	}
}

func groupOf(ref *metav1.OwnerReference) string {
	group, _, grouped := strings.Cut(ref.APIVersion, "/")
	if !grouped {
		return ""
	}
	return group
}

func isModelled(ref *metav1.OwnerReference) bool {
	group, ok := groupOfKind[ref.Kind]
	return ok && group == groupOf(ref)
}

// named is the owner in the model that a reference means: by group, kind, name
// and uid, and where the owner has no uid, as in files, by name.
func (m *moment) named(x *someone, ref *metav1.OwnerReference) *someone {
	for _, o := range m.everyone {
		if o.isPod() || o.end.namespace != x.end.namespace || o.kind != ref.Kind || o.group != groupOf(ref) || o.object.GetName() != ref.Name {
			continue
		}
		if o.object.GetUID() != "" && o.object.GetUID() != ref.UID {
			return nil
		}
		return o
	}
	return nil
}

// mayOwn: of what is in the model ReplicaSets belong to Deployments, Jobs to CronJobs,
// ReplicationControllers to nobody, and pods to whatever has a selector.
func mayOwn(kind, of string) bool {
	switch of {
	case "ReplicaSet":
		return kind == "Deployment"
	case "Job":
		return kind == "CronJob"
	case "ReplicationController":
		return false
	}
	return kind != "CronJob"
}

// top is the workload that someone is of, as an identity and as it is shown.
func (m *moment) top(x *someone) (identity, shown string) {
	o := m.ownerOf(x)
	switch {
	case o.foreign != "":
		return o.foreign, o.shown
	case o.modelled != nil:
		return m.top(o.modelled)
	}
	return x.identity(), x.shown()
}

// peer is what someone is shown as in an answer. A pod that does not carry the
// labels of the template that made it stands alone. One whose owner is not there is
// shown as that owner's all the same, and gets nothing by it.
func (m *moment) peer(x *someone) string {
	o := m.ownerOf(x)
	if x.isPod() && o.modelled != nil && !holds(x.labels, o.modelled.labels) {
		return x.shown()
	}
	if c := metav1.GetControllerOf(x.object); x.isPod() && o == (owner{}) && c != nil && isModelled(c) && !m.hasNamed(x, c) {
		return m.absent(x, c)
	}
	_, shown := m.top(x)
	return shown
}

// absent is an owner that is not there, or by its name the owner of that.
func (m *moment) absent(x *someone, c *metav1.OwnerReference) string {
	if i := strings.LastIndexByte(c.Name, '-'); c.Kind == "Job" && i >= 0 {
		for _, y := range m.everyone {
			if y.kind == "CronJob" && y.end.namespace == x.end.namespace && y.object.GetName() == c.Name[:i] && holds(x.labels, y.labels) {
				return y.shown()
			}
		}
	}
	return x.end.namespace + "/" + c.Kind + "/" + c.Name
}

// hasNamed: something of this name is there, be it of another uid.
func (m *moment) hasNamed(x *someone, c *metav1.OwnerReference) bool {
	return slices.ContainsFunc(m.everyone, func(o *someone) bool {
		return !o.isPod() && o.end.namespace == x.end.namespace && o.kind == c.Kind && o.object.GetName() == c.Name
	})
}

// maker is the template that a pod says it was made by, whatever its labels are now.
func (m *moment) maker(x *someone) *someone {
	if c := metav1.GetControllerOf(x.object); c != nil && isModelled(c) {
		return m.named(x, c)
	}
	return m.ownerOf(x).modelled
}

// chosen tells whether one side of a question chooses someone. A pod that was
// relabelled away from its template, or that its maker's selector has lost, is
// chosen by the template's labels, too.
func (m *moment) chosen(x *someone, side refSelection) bool {
	if selectorMatches(&side.namespaces, m.namespaces[x.end.namespace]) != open {
		return false
	}
	if selectorMatches(&side.pods, x.labels) == open {
		return true
	}
	if !x.isPod() {
		return false
	}
	maker := m.maker(x)
	left := maker != nil && (m.ownerOf(x).modelled == nil || !holds(x.labels, maker.labels))
	return left && selectorMatches(&side.pods, maker.labels) == open
}

// same is the same object at this moment: a pod by uid, a template by its identity.
func (m *moment) same(x *someone) *someone {
	for _, y := range m.everyone {
		if y.identity() == x.identity() && (!x.isPod() || x.object.GetUID() == y.object.GetUID()) {
			return y
		}
	}
	return nil
}
