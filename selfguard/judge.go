package selfguard

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"

	"github.com/podcullis/podcullis/cluster"
)

// cut is what a change would do to the way of the API server to Podcullis and back.
type cut struct {
	// why completes "after this change"; empty for no harm.
	why string
	// sure is false where it depends on where the API server is.
	sure bool
	// meant is set where the object says so.
	meant bool
}

// judged makes an empty object of each kind that can cut Podcullis off.
var judged = map[schema.GroupKind]func() runtime.Object{
	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}: func() runtime.Object { return &networkingv1.NetworkPolicy{} },
	{Kind: "Service"}: func() runtime.Object { return &corev1.Service{} },
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}: func() runtime.Object { return &discoveryv1.EndpointSlice{} },
	{Kind: "Pod"}:                        func() runtime.Object { return &corev1.Pod{} },
	{Kind: "ReplicationController"}:      func() runtime.Object { return &corev1.ReplicationController{} },
	{Group: "apps", Kind: "Deployment"}:  func() runtime.Object { return &appsv1.Deployment{} },
	{Group: "apps", Kind: "ReplicaSet"}:  func() runtime.Object { return &appsv1.ReplicaSet{} },
	{Group: "apps", Kind: "StatefulSet"}: func() runtime.Object { return &appsv1.StatefulSet{} },
	{Group: "apps", Kind: "DaemonSet"}:   func() runtime.Object { return &appsv1.DaemonSet{} },
	{Group: "batch", Kind: "Job"}:        func() runtime.Object { return &batchv1.Job{} },
	{Group: "batch", Kind: "CronJob"}:    func() runtime.Object { return &batchv1.CronJob{} },
}

// change is a request with its objects decoded; nil where there is none.
type change struct {
	*admissionv1.AdmissionRequest
	old, object runtime.Object
}

// judge says what a request would cut off.
func (s *Settings) judge(r *admissionv1.AdmissionRequest, snapshot *cluster.Snapshot) (cut, error) {
	empty, ok := judged[schema.GroupKind{Group: r.Kind.Group, Kind: r.Kind.Kind}]
	if !ok {
		return cut{}, nil
	}
	c := change{AdmissionRequest: r}
	var err error
	if c.old, err = decode(r.OldObject.Raw, empty); err != nil {
		return cut{}, fmt.Errorf("request.oldObject: is no %s: %w", r.Kind.Kind, err)
	}
	if c.object, err = decode(r.Object.Raw, empty); err != nil {
		return cut{}, fmt.Errorf("request.object: is no %s: %w", r.Kind.Kind, err)
	}
	found, err := s.findCut(c, snapshot)
	if err == nil && found.why != "" {
		var meta *metav1.ObjectMeta
		meta, err = metadata(r.Object.Raw, r.OldObject.Raw)
		found.meant = err == nil && meant(meta)
	}
	return found, err
}

func (s *Settings) findCut(c change, snapshot *cluster.Snapshot) (cut, error) {
	switch c.Kind.Kind {
	case "Service":
		return s.service(c), nil
	case "EndpointSlice":
		return s.endpoints(c, snapshot), nil
	}
	if found := s.makesPods(c); found.why != "" {
		return found, nil
	}
	if c.Kind.Kind != "NetworkPolicy" && c.Kind.Kind != "Pod" && c.Kind.Kind != "Deployment" {
		return cut{}, nil
	}
	return s.paths(c, snapshot)
}

// paths asks connectivity about the pods of the release, before and after.
func (s *Settings) paths(c change, snapshot *cluster.Snapshot) (cut, error) {
	var change cluster.Change
	var err error
	if c.old != nil {
		if change.Before, err = cluster.FromAPI(c.old); change.Before == nil {
			return cut{}, err
		}
	}
	if c.object != nil {
		if change.After, err = cluster.FromAPI(c.object); err != nil {
			return cut{}, err
		}
	}
	if change.Idle() {
		return cut{}, nil
	}
	after, err := snapshot.Apply(change)
	if err != nil {
		return cut{}, err
	}
	var found cut
	found.why, found.sure, err = s.cuts(snapshot, after)
	return found, err
}

// podMakers make the pods of a Deployment, and its ReplicaSets.
var podMakers = []string{
	"system:serviceaccount:kube-system:replicaset-controller",
	"system:serviceaccount:kube-system:deployment-controller",
	"system:kube-controller-manager",
}

// makesPods judges pods, and what makes them, by the labels that the Service looks at: a pod
// that has left it is not called any more, and one that is not of the release must not be
// called in its stead.
func (s *Settings) makesPods(c change) cut {
	if c.Operation == admissionv1.Delete || c.object == nil {
		return cut{}
	}
	t := templateOf(c.object)
	if t == nil {
		return cut{}
	}
	name := metaOf(c.object).Name
	release := c.Kind.Kind == "Deployment" && name == s.Deployment
	is, was := s.finds(t.Labels), c.old != nil && s.finds(templateOf(c.old).Labels)
	switch {
	case was && !is:
		return cut{why: fmt.Sprintf("Service %s/%s does not find %s %s any more: it selects %s", s.Namespace, s.Service, c.Kind.Kind, name, selectorText(s.Selector)), sure: true}
	case is && !was && !release && !slices.Contains(podMakers, c.UserInfo.Username):
		return cut{why: fmt.Sprintf("Service %s/%s finds pods that are not of the release: it selects %s", s.Namespace, s.Service, selectorText(s.Selector)), sure: true}
	case release && was && named(templateOf(c.old), s.PortName) && !named(t, s.PortName):
		return cut{why: fmt.Sprintf("the pods of Deployment %s have no port %s, to which Service %s/%s leads", name, s.PortName, s.Namespace, s.Service), sure: true}
	}
	return cut{}
}

// named reports whether a container has a TCP port of that name.
func named(t *corev1.PodTemplateSpec, name string) bool {
	return slices.ContainsFunc(t.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
			return p.Name == name && (p.Protocol == "" || p.Protocol == corev1.ProtocolTCP)
		})
	})
}

// templateOf is what an object makes pods of; of a pod itself, the pod.
func templateOf(o runtime.Object) *corev1.PodTemplateSpec {
	switch o := o.(type) {
	case *corev1.Pod:
		return &corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}
	case *corev1.ReplicationController:
		if o.Spec.Template == nil {
			return &corev1.PodTemplateSpec{}
		}
		return o.Spec.Template
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

// decode reads an object as the API server does; nil for none.
func decode(raw []byte, empty func() runtime.Object) (runtime.Object, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	o := empty()
	return o, kjson.UnmarshalCaseSensitivePreserveInts(raw, o)
}

// metadata is that of the first object that is there.
func metadata(objects ...[]byte) (*metav1.ObjectMeta, error) {
	for _, raw := range objects {
		if len(raw) > 0 {
			var o metav1.PartialObjectMetadata
			return &o.ObjectMeta, kjson.UnmarshalCaseSensitivePreserveInts(raw, &o)
		}
	}
	return &metav1.ObjectMeta{}, nil
}

func metaOf(o runtime.Object) metav1.ObjectMeta {
	m, ok := o.(metav1.ObjectMetaAccessor)
	if !ok {
		return metav1.ObjectMeta{}
	}
	meta, ok := m.GetObjectMeta().(*metav1.ObjectMeta)
	if !ok {
		return metav1.ObjectMeta{}
	}
	return *meta
}
