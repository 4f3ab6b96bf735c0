package guardrail

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// object is a kind whose fields are known.
func objectOfKind(kind, group string) any {
	switch kind + "." + group {
	case "Pod.":
		// A pod's binding is judged as the pod; the object is then a Binding.
		return struct {
			corev1.Pod `json:",inline"`
			Target     corev1.ObjectReference `json:"target,omitempty"`
		}{}
	case "Namespace.":
		return corev1.Namespace{}
	case "ReplicationController.":
		return corev1.ReplicationController{}
	case "Deployment.apps":
		return appsv1.Deployment{}
	case "StatefulSet.apps":
		return appsv1.StatefulSet{}
	case "DaemonSet.apps":
		return appsv1.DaemonSet{}
	case "ReplicaSet.apps":
		return appsv1.ReplicaSet{}
	case "Job.batch":
		return batchv1.Job{}
	case "CronJob.batch":
		return batchv1.CronJob{}
	case "NetworkPolicy.networking.k8s.io":
		return networkingv1.NetworkPolicy{}
	case "Ingress.networking.k8s.io":
		return networkingv1.Ingress{}
	}
	return nil
}

// objectType is the schema of the objects of a kind, by Kubernetes's own types; ok is false
// where they are not known.
func objectType(entry string) (schema map[string]any, ok bool) {
	kind, group, ok := kindAndGroup(entry)
	if !ok {
		return nil, false
	}
	o := objectOfKind(kind, group)
	if o == nil {
		return nil, false
	}
	return typeSchema(reflect.TypeOf(o), 0), true
}

// maxObjectDepth bounds types that hold themselves.
const maxObjectDepth = 16

var (
	timeType      = reflect.TypeFor[metav1.Time]()
	marshaler     = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	anything      = map[string]any{}
	simpleSchemas = map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean"}
)

// typeSchema is a Go type of Kubernetes as its JSON is. What says itself how it is written
// (quantities, ports that are numbers or names) may be anything, and so may what can be null.
func typeSchema(t reflect.Type, depth int) map[string]any {
	pointer := t.Kind() == reflect.Pointer
	if pointer {
		t = t.Elem()
	}
	written := reflect.PointerTo(t)
	switch {
	case depth > maxObjectDepth, t == timeType, depth > 0 && (written.Implements(marshaler) || written.Implements(textMarshaler)):
		return anything
	case t.Kind() == reflect.Struct:
		properties := map[string]any{}
		addFields(properties, t, depth)
		return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	case pointer:
		return anything
	case t.Kind() == reflect.Map:
		return map[string]any{"type": "object"}
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		return map[string]any{"type": "array", "items": typeSchema(t.Elem(), depth+1)}
	case simpleSchemas[t.Kind()] != "":
		return map[string]any{"type": simpleSchemas[t.Kind()]}
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64:
		return map[string]any{"type": "number"}
	}
	return anything
}

func addFields(properties map[string]any, t reflect.Type, depth int) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && (f.Anonymous || strings.Contains(options, "inline")):
			addFields(properties, f.Type, depth)
		case name != "":
			properties[name] = typeSchema(f.Type, depth+1)
		}
	}
}
