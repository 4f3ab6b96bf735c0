package wire

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Into reads the next value into an object of the API: of the kinds that the model
// knows what cluster.FromAPI reads, of a PartialObjectMetadata or a Binding the metadata. It returns
// the value as it stands in the text, nil if the text is broken, and what is wrong with it: that is no
// fault of the text around it, which can be read on.
func (r *Reader) Into(o runtime.Object) (raw []byte, wrong error) {
	before := r.wrong
	r.wrong = nil
	begin := r.begin()
	r.object(o)
	wrong, r.wrong = r.wrong, before
	if r.broken == nil {
		end := r.tokens.InputOffset()
		raw = r.text[begin:end:end]
	}
	return raw, wrong
}

// maxLevels are those of a text whose nesting somebody else bounds.
const maxLevels = 10_000

// begin is where the next value does.
func (r *Reader) begin() int {
	if r.broken != nil {
		return 0
	}
	r.tokens.PeekKind()
	rest := r.tokens.UnreadBuffer()
	for i, c := range rest {
		switch c {
		case ' ', '\t', '\r', '\n', ':', ',':
		default:
			return len(r.text) - len(rest) + i
		}
	}
	return len(r.text)
}

// Unmarshal reads one object, as Into does.
func Unmarshal(text []byte, o runtime.Object) error {
	var r Reader
	r.Reset(text, maxLevels)
	_, wrong := r.Into(o)
	r.End()
	if err := r.Err(); err != nil {
		return err
	}
	return wrong
}

func (r *Reader) object(o runtime.Object) {
	switch o := o.(type) {
	case *corev1.Pod:
		r.pod(o)
	case *networkingv1.NetworkPolicy:
		r.netpol(o)
	case *appsv1.Deployment:
		r.workload(&o.ObjectMeta, pods{template: &o.Spec.Template, selector: &o.Spec.Selector})
	case *appsv1.ReplicaSet:
		r.workload(&o.ObjectMeta, pods{template: &o.Spec.Template, selector: &o.Spec.Selector})
	case *appsv1.DaemonSet:
		r.workload(&o.ObjectMeta, pods{template: &o.Spec.Template, selector: &o.Spec.Selector})
	case *appsv1.StatefulSet:
		r.workload(&o.ObjectMeta, pods{template: &o.Spec.Template, selector: &o.Spec.Selector, ordinals: &o.Spec.Ordinals})
	case *corev1.ReplicationController:
		r.workload(&o.ObjectMeta, pods{optional: &o.Spec.Template, labels: &o.Spec.Selector})
	case *batchv1.Job:
		r.workload(&o.ObjectMeta, pods{template: &o.Spec.Template, selector: &o.Spec.Selector, job: &o.Spec})
	case *batchv1.CronJob:
		r.cronJob(o)
	case *corev1.Namespace:
		r.metadataOf(&o.ObjectMeta)
	case *corev1.Binding:
		r.metadataOf(&o.ObjectMeta)
	case *metav1.PartialObjectMetadata:
		r.metadataOf(&o.ObjectMeta)
	default:
		r.Skip()
		r.wrong = fmt.Errorf("%T is not a kind that the model reads", o)
	}
}

// metadataOf reads an object of which nothing but the metadata counts.
func (r *Reader) metadataOf(m *metav1.ObjectMeta) {
	if !r.Object() {
		return
	}
	for r.Member() {
		if string(r.name) == "metadata" {
			r.metadata(m)
		} else {
			r.Skip()
		}
	}
}

// metadata reads who an object is, whose it is, and what selects it.
func (r *Reader) metadata(m *metav1.ObjectMeta) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.name) {
		case "name":
			Text(r, &m.Name)
		case "generateName":
			Text(r, &m.GenerateName)
		case "namespace":
			Text(r, &m.Namespace)
		case "uid":
			Text(r, &m.UID)
		case "resourceVersion":
			Text(r, &m.ResourceVersion)
		case "creationTimestamp":
			r.time(&m.CreationTimestamp)
		case "deletionTimestamp":
			r.timePointer(&m.DeletionTimestamp)
		case "labels":
			r.TextMap(&m.Labels)
		case "finalizers":
			Texts(r, &m.Finalizers)
		case "ownerReferences":
			r.owners(&m.OwnerReferences)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) owners(into *[]metav1.OwnerReference) {
	if !r.Array() {
		return
	}
	*into = []metav1.OwnerReference{}
	for r.Element() {
		var o metav1.OwnerReference
		if r.Object() {
			for r.Member() {
				switch string(r.name) {
				case "apiVersion":
					Text(r, &o.APIVersion)
				case "kind":
					Text(r, &o.Kind)
				case "name":
					Text(r, &o.Name)
				case "uid":
					Text(r, &o.UID)
				case "controller":
					r.BoolPointer(&o.Controller)
				default:
					r.Skip()
				}
			}
		}
		*into = append(*into, o)
	}
}

func (r *Reader) time(into *metav1.Time) {
	raw := r.Raw()
	if r.broken != nil {
		return
	}
	if err := into.UnmarshalJSON(raw); err != nil && r.wrong == nil {
		r.wrong = fmt.Errorf("%s: want a time as in RFC 3339, got %.64s", dotted(r.tokens.StackPointer()), raw)
	}
}

func (r *Reader) timePointer(into **metav1.Time) {
	if r.broken == nil && r.tokens.PeekKind() != 'n' {
		*into = new(metav1.Time)
		r.time(*into)
		return
	}
	r.Skip()
}

// selector reads a label selector.
func (r *Reader) selector(into *metav1.LabelSelector) {
	if r.Object() {
		r.selectorMembers(into)
	}
}

func (r *Reader) selectorPointer(into **metav1.LabelSelector) {
	if r.Object() {
		*into = &metav1.LabelSelector{}
		r.selectorMembers(*into)
	}
}

func (r *Reader) selectorMembers(into *metav1.LabelSelector) {
	for r.Member() {
		switch string(r.name) {
		case "matchLabels":
			r.TextMap(&into.MatchLabels)
		case "matchExpressions":
			r.expressions(&into.MatchExpressions)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) expressions(into *[]metav1.LabelSelectorRequirement) {
	if !r.Array() {
		return
	}
	*into = []metav1.LabelSelectorRequirement{}
	for r.Element() {
		var q metav1.LabelSelectorRequirement
		if r.Object() {
			for r.Member() {
				switch string(r.name) {
				case "key":
					Text(r, &q.Key)
				case "operator":
					Text(r, &q.Operator)
				case "values":
					Texts(r, &q.Values)
				default:
					r.Skip()
				}
			}
		}
		*into = append(*into, q)
	}
}
