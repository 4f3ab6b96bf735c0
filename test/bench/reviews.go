package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/test/bench/town"
)

// mix is what the reviews of a load are about: of twenty, as many as stand here.
// All of them are allowed.
const (
	mixPodCreate     = 8 // by the replicaset-controller
	mixPodStatus     = 5 // UPDATE pods/status by a kubelet
	mixDeployment    = 4 // UPDATE of the image
	mixNetpol        = 3 // UPDATE of a port
	mixText          = "of twenty reviews eight create a pod of a workload, five are a pod's status, four change a Deployment's image, three a netpol's port; dry runs, all allowed"
	differentReviews = 2000
)

// reviewer writes AdmissionReviews about objects of a town.
type reviewer struct {
	random      *rand.Rand
	pods        []*corev1.Pod
	deployments []*appsv1.Deployment
	netpols     []*networkingv1.NetworkPolicy
	written     int
}

// newReviewer looks only at namespaces in which somebody has written the
// default-deny: elsewhere a new pod is rightly denied.
func newReviewer(p town.Plan) (*reviewer, error) {
	r := &reviewer{random: rand.New(rand.NewPCG(p.Seed, 2<<32))} //nolint:gosec // the same seed has to give the same reviews
	for i := range p.Namespaces {
		objects := p.Namespace(i)
		if !isolated(objects) || objects[0].GetLabels()[town.TeamLabel] == "" {
			continue
		}
		for _, o := range objects {
			switch o := o.(type) {
			case *corev1.Pod:
				r.pods = append(r.pods, o)
			case *appsv1.Deployment:
				r.deployments = append(r.deployments, o)
			case *networkingv1.NetworkPolicy:
				if o.Name == town.Cache {
					r.netpols = append(r.netpols, o)
				}
			}
		}
	}
	if len(r.pods) == 0 || len(r.deployments) == 0 || len(r.netpols) == 0 {
		return nil, fmt.Errorf("%s: too small to write every sort of review about it", p)
	}
	return r, nil
}

func isolated(objects []client.Object) bool {
	for _, o := range objects {
		if _, ok := o.(*networkingv1.NetworkPolicy); ok && o.GetName() == "default-deny" {
			return true
		}
	}
	return false
}

// mix writes reviews in the proportions above.
func (r *reviewer) mix() ([][]byte, error) {
	out := make([][]byte, 0, differentReviews)
	for i := range differentReviews {
		var body []byte
		var err error
		switch n := i % (mixPodCreate + mixPodStatus + mixDeployment + mixNetpol); {
		case n < mixPodCreate:
			body, err = r.podCreate()
		case n < mixPodCreate+mixPodStatus:
			body, err = r.podStatus()
		case n < mixPodCreate+mixPodStatus+mixDeployment:
			body, err = r.deploymentUpdate()
		default:
			body, err = r.netpolUpdate()
		}
		if err != nil {
			return nil, err
		}
		out = append(out, body)
	}
	r.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out, nil
}

// podCreate is a replacement for a pod of a Deployment.
func (r *reviewer) podCreate() ([]byte, error) {
	p := oneOf(r, r.pods)
	for !strings.Contains(p.Labels[town.TierLabel], town.API) && !strings.Contains(p.Labels[town.TierLabel], town.Worker) {
		p = oneOf(r, r.pods)
	}
	p = p.DeepCopy()
	p.Name = fmt.Sprintf("%s%05d", p.GenerateName, r.written)
	p.UID = types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", r.written))
	p.Spec.NodeName = ""
	p.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBurstable}
	return r.write(admissionv1.Create, "pods", "", "system:serviceaccount:kube-system:replicaset-controller", defaulted(p), nil)
}

// podStatus is a kubelet telling of a condition.
func (r *reviewer) podStatus() ([]byte, error) {
	before := defaulted(oneOf(r, r.pods).DeepCopy())
	after := before.DeepCopy()
	after.Status.Conditions = append(after.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Unix(1_800_000_000, 0)})
	return r.write(admissionv1.Update, "pods", "status", "system:node:"+before.Spec.NodeName, after, before)
}

func (r *reviewer) deploymentUpdate() ([]byte, error) {
	before := oneOf(r, r.deployments).DeepCopy()
	before.ManagedFields = managed("kubectl-client-side-apply")
	after := before.DeepCopy()
	after.Generation++
	after.Spec.Template.Spec.Containers[0].Image = fmt.Sprintf("registry.example/team/service:1.%d", r.written)
	return r.write(admissionv1.Update, "deployments", "", "deployer@example.com", after, before)
}

func (r *reviewer) netpolUpdate() ([]byte, error) {
	before := oneOf(r, r.netpols).DeepCopy()
	before.ManagedFields = managed("kubectl-client-side-apply")
	after := before.DeepCopy()
	after.Generation++
	after.Spec.Ingress[0].Ports[0].Port = new(intstr.FromInt(7000 + r.random.IntN(1000)))
	return r.write(admissionv1.Update, "networkpolicies", "", "deployer@example.com", after, before)
}

// configMap is a review that only a guardrail of the benchmark's own is about.
func (r *reviewer) configMap(name string) ([]byte, error) {
	c := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Namespace: r.pods[0].Namespace, Name: name}}
	return r.write(admissionv1.Create, "configmaps", "", "deployer@example.com", c, nil)
}

func oneOf[T any](r *reviewer, list []T) T { return list[r.random.IntN(len(list))] }

// write encodes a review as the API server does. It is a dry run: judged as every
// other, and not remembered, because the object will never show in the model.
func (r *reviewer) write(operation admissionv1.Operation, resource, subresource, user string, object, old client.Object) ([]byte, error) {
	r.written++
	gvk := object.GetObjectKind().GroupVersionKind()
	request := &admissionv1.AdmissionRequest{
		UID:             types.UID(fmt.Sprintf("10000000-0000-4000-8000-%012d", r.written)),
		Kind:            metav1.GroupVersionKind(gvk),
		Resource:        metav1.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: resource},
		SubResource:     subresource,
		RequestKind:     (*metav1.GroupVersionKind)(&gvk),
		RequestResource: &metav1.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: resource},
		Name:            object.GetName(),
		Namespace:       object.GetNamespace(),
		Operation:       operation,
		UserInfo:        authenticationv1.UserInfo{Username: user, UID: "8f3b", Groups: []string{"system:authenticated"}},
		DryRun:          new(true),
	}
	var err error
	if request.Object.Raw, err = json.Marshal(object); err != nil {
		return nil, err
	}
	options := runtime.Object(&metav1.CreateOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "CreateOptions"}})
	if old != nil {
		options = &metav1.UpdateOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "UpdateOptions"}}
		if request.OldObject.Raw, err = json.Marshal(old); err != nil {
			return nil, err
		}
	}
	if request.Options.Raw, err = json.Marshal(options); err != nil {
		return nil, err
	}
	return json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: request,
	})
}

// defaulted adds to a pod what the API server and its admission plugins do: a
// review is as large as that.
func defaulted(p *corev1.Pod) *corev1.Pod {
	p.CreationTimestamp = metav1.Unix(1_800_000_000, 0)
	p.ManagedFields = managed("kube-controller-manager")
	p.Spec.ServiceAccountName, p.Spec.DeprecatedServiceAccount = "default", "default"
	p.Spec.DNSPolicy, p.Spec.SchedulerName = corev1.DNSClusterFirst, corev1.DefaultSchedulerName
	p.Spec.TerminationGracePeriodSeconds = new(int64(30))
	p.Spec.EnableServiceLinks, p.Spec.Priority = new(true), new(int32(0))
	p.Spec.SecurityContext = &corev1.PodSecurityContext{}
	for _, key := range []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} {
		p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(300))})
	}
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "kube-api-access-x7k2p", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{ExpirationSeconds: new(int64(3607)), Path: "token"}},
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}, Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}},
		},
		DefaultMode: new(int32(0o644)),
	}}})
	c := &p.Spec.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "kube-api-access-x7k2p", ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"})
	c.ImagePullPolicy, c.TerminationMessagePath, c.TerminationMessagePolicy = corev1.PullIfNotPresent, "/dev/termination-log", corev1.TerminationMessageReadFile
	return p
}

// managed is what server-side apply keeps of who owns which field.
func managed(manager string) []metav1.ManagedFieldsEntry {
	return []metav1.ManagedFieldsEntry{{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: new(metav1.NewTime(time.Unix(1_800_000_000, 0).UTC())), FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app.kubernetes.io/instance":{},"f:app.kubernetes.io/name":{},"f:app.kubernetes.io/version":{},"f:pod-template-hash":{},"f:tier":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"a\"}":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:args":{},"f:env":{".":{},"k:{\"name\":\"LOG_LEVEL\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{},"f:protocol":{}}},"f:resources":{}}},"f:dnsPolicy":{},"f:restartPolicy":{},"f:volumes":{".":{},"k:{\"name\":\"config\"}":{".":{},"f:configMap":{},"f:name":{}}}}}`),
	}}
}
