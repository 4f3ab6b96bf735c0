package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	strictjson "sigs.k8s.io/json"

	"github.com/podcullis/podcullis/cluster"
)

// Unread is an object that makes pods of which nothing is known.
type Unread struct {
	schema.GroupVersionKind
	// Namespace is empty when the document names none.
	Namespace string
	Name      string
	Location  Location
	// Why says how the object makes pods: "an operator makes pods of it".
	Why string
}

// Ref is how messages name it. It is no object of the model.
func (u Unread) Ref() cluster.Ref {
	return cluster.Ref{Namespace: u.Namespace, Kind: u.GroupKind().String(), Name: u.Name}
}

// String is the object in the words of a message: "Prometheus.monitoring.coreos.com shop/main".
func (u Unread) String() string { return title(u.GroupKind().String(), u.Namespace, u.Name) }

// unmodelled deals with a kind that the model does not know: with a pod template it
// is a workload, and what makes pods in some other way is told.
func (l *loader) unmodelled(d document, gvk schema.GroupVersionKind) {
	var object map[string]any
	if err := strictjson.UnmarshalCaseSensitivePreserveInts(d.json, &object); err != nil {
		l.fail(d.at, "%s: %v", gvk.Kind, err)
		return
	}
	if hasTemplate(gvk.GroupKind(), object) {
		l.custom(d, gvk)
		return
	}
	why := makesPods(gvk.GroupKind(), object)
	if why == "" {
		l.skip(d, gvk)
		return
	}
	l.aside(d, gvk) // for whoever looks at the object itself
	meta, _ := object["metadata"].(map[string]any)
	u := Unread{GroupVersionKind: gvk, Location: d.at, Why: why}
	if l.rendered {
		u.Location.Line = 0 // a line that nobody can look up
	}
	u.Name, _ = meta["name"].(string)
	if prefix, ok := meta["generateName"].(string); ok && u.Name == "" {
		u.Name = prefix + "*"
	}
	if u.Namespace, _ = meta["namespace"].(string); u.Namespace == "" {
		u.Namespace = l.namespace
	}
	l.set.Unread = append(l.set.Unread, u)
}

// hasTemplate tells whether the object has a pod template at spec.template: by its
// kind, or because what is there has containers.
func hasTemplate(gk schema.GroupKind, object map[string]any) bool {
	spec, _ := object["spec"].(map[string]any)
	template, ok := spec["template"]
	if !ok || template == nil {
		return false
	}
	if templated[gk] {
		return true
	}
	inner, _ := template.(map[string]any)
	pod, _ := inner["spec"].(map[string]any)
	return pod["containers"] != nil
}

// templated are kinds whose spec.template is a pod template, whatever it holds.
var templated = map[schema.GroupKind]bool{
	{Group: "argoproj.io", Kind: "Rollout"}:                true,
	{Group: "apps.openshift.io", Kind: "DeploymentConfig"}: true,
	{Group: "serving.knative.dev", Kind: "Service"}:        true,
	{Group: "serving.knative.dev", Kind: "Configuration"}:  true,
	{Group: "apps.kruise.io", Kind: "CloneSet"}:            true,
	{Group: "apps.kruise.io", Kind: "StatefulSet"}:         true,
	{Group: "apps.kruise.io", Kind: "DaemonSet"}:           true,
	{Group: "apps.kruise.io", Kind: "BroadcastJob"}:        true,
}

// templateOwner is what is read of such an object. The rest of it is of its own kind.
type templateOwner struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Selector json.RawMessage `json:"selector"`
		Template struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
			Spec     struct {
				HostNetwork    bool        `json:"hostNetwork"`
				Containers     []container `json:"containers"`
				InitContainers []container `json:"initContainers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

type container struct {
	RestartPolicy *corev1.ContainerRestartPolicy `json:"restartPolicy"`
	Ports         []corev1.ContainerPort         `json:"ports"`
}

func containersOf(read []container) []corev1.Container {
	var out []corev1.Container
	for _, c := range read {
		out = append(out, corev1.Container{RestartPolicy: c.RestartPolicy, Ports: c.Ports})
	}
	return out
}

func (o *templateOwner) template() *corev1.PodTemplateSpec {
	t := &o.Spec.Template
	return &corev1.PodTemplateSpec{ObjectMeta: t.Metadata, Spec: corev1.PodSpec{
		HostNetwork:    t.Spec.HostNetwork,
		Containers:     containersOf(t.Spec.Containers),
		InitContainers: containersOf(t.Spec.InitContainers),
	}}
}

// custom reads an object with a pod template.
func (l *loader) custom(d document, gvk schema.GroupVersionKind) {
	var o templateOwner
	problems := decodeOwner(d.json, &o)
	namespace := l.settle(&o)
	t := o.template()
	if len(problems) == 0 {
		problems = append(checkMeta(&o, true), podPorts(&t.Spec, field.NewPath("spec", "template", "spec"))...)
	}
	if len(problems) > 0 {
		l.problems(d, gvk, namespace, &o, problems)
		return
	}
	model, err := cluster.NewCustom(gvk.GroupKind(), &o.ObjectMeta, t, o.Spec.Selector)
	if problems = fieldProblems(err); len(problems) > 0 && !l.in.Stored {
		l.problems(d, gvk, namespace, &o, problems)
		return
	}
	if other, ok := l.set.Lookup(model.Ref()); ok && other.Group != gvk.Group {
		model.Kind = gvk.GroupKind().String() // two APIs have that kind, and it tells no more which
	}
	l.keep(d, Object{GroupVersionKind: gvk, Namespace: namespace, Name: nameOf(&o), Model: model})
}

// decodeOwner is decode without complaints about fields that are the kind's own
// matter: of Kubernetes' are metadata, of the object and of the template, and ports.
func decodeOwner(data []byte, o *templateOwner) []problem {
	if err := strictjson.UnmarshalCaseSensitivePreserveInts(data, o); err != nil {
		return locateTypeErrors(data, reflect.TypeOf(o).Elem(), err)
	}
	var problems []problem
	for _, p := range decode(data, &templateOwner{}) {
		if strings.HasPrefix(p.field, "metadata.") || strings.HasPrefix(p.field, "spec.template.metadata.") || ofPort(p.field) {
			problems = append(problems, p)
		}
	}
	return problems
}

// ofPort tells whether a field is one of a container's port.
func ofPort(path string) bool {
	inner, ok := strings.CutPrefix(path, "spec.template.spec.")
	return ok && strings.Contains(inner, "ontainers[") && strings.Contains(inner, "].ports[")
}

// kindsOf counts unread objects by kind, in the order in which each came first:
// "2 HelmRelease.helm.toolkit.fluxcd.io".
func kindsOf(all []Unread) []string {
	count, order := map[string]int{}, []string{}
	for _, u := range all {
		kind := u.GroupKind().String()
		if count[kind]++; count[kind] == 1 {
			order = append(order, kind)
		}
	}
	for i, kind := range order {
		order[i] = fmt.Sprintf("%d %s", count[kind], kind)
	}
	return order
}

// UnreadKinds says how many unread objects there are of which kind.
func (s *Set) UnreadKinds() []string { return kindsOf(s.Unread) }
