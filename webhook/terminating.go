package webhook

import (
	"fmt"
	"slices"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// namespaceControllers empty a namespace that is being deleted.
var namespaceControllers = []string{
	"system:serviceaccount:kube-system:namespace-controller",
	"system:serviceaccount:kube-system:generic-garbage-collector",
}

// terminationPatience is how long the netpols of a terminating namespace are
// kept for its pods' sake. After it the namespace's end comes first.
const terminationPatience = 10 * time.Minute

// namespaceEnds answers the deletions of a namespace's end, whoever asks for
// them: the namespace controller, a tool that prunes, a controller that drops its
// finalizer. They pass, because no pod can be created there any more and refusing
// one would keep the namespace in Terminating for ever. But the netpols wait for
// the pods, which otherwise would run on without them (CVE-2024-7598).
func (j *Judge) namespaceEnds(r *admission.Request, s *cluster.Snapshot, c cluster.Change) (verdict, bool) {
	ns, ok := s.Namespace(r.Namespace)
	if !ok || !ns.Terminating() || !deletes(r, c) || !ofThisNamespace(r, ns) {
		return verdict{}, false
	}
	pass := verdict{decision: guardrail.Decision{Subject: requestSubject(r)}}
	if _, isNetpol := c.Before.(*cluster.Netpol); !isNetpol || j.Clock().Sub(ns.DeletedAt) >= terminationPatience {
		return pass, true
	}
	// The model alone is asked: no pod is created here any more, and one that was allowed, came
	// and went unseen would keep the namespace for as long as it counts as pending.
	if pods := s.PodsLeft(r.Namespace); len(pods) > 0 {
		why := fmt.Sprintf("namespace %s is being deleted, and this NetworkPolicy goes after the last of its pods; pods left: %d (%s)", r.Namespace, len(pods), enumerate(pods))
		return j.later(r, pass, waitError(why), pods), true
	}
	return pass, true
}

// deletes tells whether a request removes an object of a namespace: by a DELETE,
// or by the UPDATE after which nothing holds a deleted object any more.
func deletes(r *admission.Request, c cluster.Change) bool {
	if _, isNamespace := c.Before.(*cluster.Namespace); isNamespace || r.Namespace == "" {
		return false
	}
	return r.Operation == admissionv1.Delete || (c.Before != nil && c.After == nil)
}

// ofThisNamespace is false for an object that is younger than the deletion of its
// namespace: nothing is created in one that terminates, so it is in another
// namespace of that name, which the model has not seen yet. The controllers are
// not asked for it: they must never be stuck.
func ofThisNamespace(r *admission.Request, ns *cluster.Namespace) bool {
	if slices.Contains(namespaceControllers, r.UserInfo.Username) {
		return true
	}
	meta, ok := metadataOf(r.OldObject)
	return ok && meta.GetCreationTimestamp().Time.Before(ns.DeletedAt)
}

// beingDeleted tells whether an object was deleted before and only finalizers
// hold it.
func beingDeleted(x runtime.RawExtension) bool {
	meta, ok := metadataOf(x)
	return ok && meta.GetDeletionTimestamp() != nil
}

// lastFinalizerDropped tells whether an update removes the object: it was
// deleted before, and nothing holds it any more. No DELETE will follow.
func lastFinalizerDropped(x runtime.RawExtension) bool {
	meta, ok := metadataOf(x)
	return ok && meta.GetDeletionTimestamp() != nil && len(meta.GetFinalizers()) == 0
}
