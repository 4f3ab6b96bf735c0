package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
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

// namespaceEnds answers the deletions of a namespace's end: they pass, because
// refusing one would keep the namespace in Terminating for ever. But the netpols
// wait for the pods, which otherwise would run on without them (CVE-2024-7598);
// the controller tries again.
func (j *Judge) namespaceEnds(r *admission.Request, s *cluster.Snapshot, c cluster.Change) (verdict, bool) {
	if r.Operation != admissionv1.Delete || r.Kind.Kind == "Namespace" || !slices.Contains(namespaceControllers, r.UserInfo.Username) {
		return verdict{}, false
	}
	ns, ok := s.Namespace(r.Namespace)
	if !ok || !ns.Terminating() {
		return verdict{}, false
	}
	pass := verdict{decision: guardrail.Decision{Subject: requestSubject(r)}}
	if _, isNetpol := c.Before.(*cluster.Netpol); !isNetpol {
		return pass, true
	}
	if pods := s.Pods(r.Namespace); pods > 0 && j.Now().Sub(ns.DeletedAt) < terminationPatience {
		pass.err = fmt.Errorf("namespace %s is being deleted, and this NetworkPolicy goes after the last of its pods; pods left: %d", r.Namespace, pods)
		pass.code = http.StatusConflict
	}
	return pass, true
}
