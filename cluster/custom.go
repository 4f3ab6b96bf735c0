package cluster

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"
)

// Custom is a kind of another API whose objects have a pod template at a path of
// fields, and how it is served.
type Custom struct {
	schema.GroupVersionResource
	Kind string
	Path []string
}

// GroupKind is that of its objects.
func (c *Custom) GroupKind() schema.GroupKind {
	return schema.GroupKind{Group: c.Group, Kind: c.Kind}
}

// Read makes the template of an object in JSON, and returns its metadata. The template
// is nil when the object has none, as a Rollout with a workloadRef. Of the rest of the
// object, which is its kind's own matter, nothing is read.
func (c *Custom) Read(object []byte) (*Template, *metav1.ObjectMeta, error) {
	var o struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(object, &o); err != nil {
		return nil, nil, err
	}
	value := json.RawMessage(object)
	var selector json.RawMessage
	for i, step := range c.Path {
		var inner map[string]json.RawMessage
		if err := json.Unmarshal(value, &inner); err != nil {
			return nil, &o.Metadata, fmt.Errorf("%s: must be an object", strings.Join(c.Path[:i], "."))
		}
		selector = inner["selector"]
		if value = inner[step]; len(value) == 0 || string(value) == "null" {
			return nil, &o.Metadata, nil
		}
	}
	t, err := readTemplate(value)
	if err != nil {
		return nil, &o.Metadata, fmt.Errorf("%s: %w", strings.Join(c.Path, "."), err)
	}
	template, err := NewCustom(c.GroupKind(), &o.Metadata, t, selector)
	return template, &o.Metadata, err
}

// readTemplate reads what of a pod template is in the model.
func readTemplate(value []byte) (*corev1.PodTemplateSpec, error) {
	type container struct {
		RestartPolicy *corev1.ContainerRestartPolicy `json:"restartPolicy"`
		Ports         []corev1.ContainerPort         `json:"ports"`
	}
	var t struct {
		Metadata struct {
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
		Spec struct {
			HostNetwork    bool        `json:"hostNetwork"`
			Containers     []container `json:"containers"`
			InitContainers []container `json:"initContainers"`
		} `json:"spec"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(value, &t); err != nil {
		return nil, err
	}
	containers := func(read []container) (out []corev1.Container) {
		for _, c := range read {
			out = append(out, corev1.Container{RestartPolicy: c.RestartPolicy, Ports: c.Ports})
		}
		return out
	}
	return &corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: t.Metadata.Labels},
		Spec: corev1.PodSpec{
			HostNetwork: t.Spec.HostNetwork, Containers: containers(t.Spec.Containers), InitContainers: containers(t.Spec.InitContainers),
		},
	}, nil
}

// NewCustom makes the template of an object of a kind that FromAPI does not know
// but that has the pod template in it: an Argo Rollout, an OpenShift
// DeploymentConfig, a Knative Service. It is a workload of its own kind. selector is
// what stands beside the template: a LabelSelector, or labels alone; nothing, or what is
// neither, means the labels of the pods. With an error it is what stays in the model, see FromAPI.
func NewCustom(gk schema.GroupKind, meta *metav1.ObjectMeta, t *corev1.PodTemplateSpec, selector []byte) (*Template, error) {
	return Bounds{}.template(newTemplate(gk.Group, CustomKind(gk), meta, t, customSelector(selector)))
}

func customSelector(raw []byte) *metav1.LabelSelector {
	var full metav1.LabelSelector
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &full); err == nil && len(full.MatchLabels)+len(full.MatchExpressions) > 0 {
		return &full
	}
	var plain map[string]string
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &plain); err == nil && len(plain) > 0 {
		return &metav1.LabelSelector{MatchLabels: plain}
	}
	return nil
}

// CustomKind is by which kind the model knows objects of another group: the kind
// alone where it tells enough, and with the group where it is the name of a kind of
// Kubernetes itself. The StatefulSet of OpenKruise is not that of apps.
func CustomKind(gk schema.GroupKind) string { return KindIn(gk.Group, gk.Kind) }
