package breach

import (
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// anyOf is the object of a change.
func anyOf(c cluster.Change) cluster.Object {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

// groupOf is the API group of a change's object.
func groupOf(c cluster.Change) string {
	switch o := anyOf(c).(type) {
	case *cluster.Netpol:
		return "networking.k8s.io"
	case *cluster.Template:
		return o.Group
	case *cluster.Foreign:
		_, group, _ := strings.Cut(o.Ref().Kind, ".")
		return group
	}
	return cluster.EntryGroup(c.Ref().Kind)
}

// asked reports whether admission judges a change: it is about something that selectors
// see, and not the end of something of which only that end is told. A pod or workload that
// goes opens nothing, and what a namespace leaves behind keeps its labels.
func asked(c cluster.Change) bool {
	if c.Idle() {
		return false
	}
	_, isNetpol := anyOf(c).(*cluster.Netpol)
	_, isForeign := anyOf(c).(*cluster.Foreign)
	return !isForeign && (isNetpol || c.After != nil)
}

// review presents a change as if it were asked for. Neither the object as sent nor who
// sent it is known.
func review(c cluster.Change, now time.Time) guardrail.Review {
	ref := c.Ref()
	bare, _, _ := strings.Cut(ref.Kind, ".")
	kind := schema.GroupVersionKind{Group: groupOf(c), Version: "v1", Kind: bare}
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	namespace := ref.Namespace
	if bare == "Namespace" {
		namespace = ref.Name // as the API server sends it
	}
	operation := admissionv1.Update
	switch {
	case c.Before == nil:
		operation = admissionv1.Create
	case c.After == nil:
		operation = admissionv1.Delete
	}
	return guardrail.Review{
		Request: &admissionv1.AdmissionRequest{
			UID: types.UID(ref.String()), Kind: metav1.GroupVersionKind(kind), Resource: metav1.GroupVersionResource(plural),
			Namespace: namespace, Name: ref.Name, Operation: operation,
		},
		Change: c, Origin: guardrail.Admission, Time: now,
	}
}

// endsWithNamespace reports whether a change is part of the end of its namespace, which
// admission lets go on once no pod is left in it.
func endsWithNamespace(c cluster.Change, after *cluster.Snapshot) bool {
	ref := c.Ref()
	if c.After != nil || ref.Namespace == "" {
		return false
	}
	ns, ok := after.Namespace(ref.Namespace)
	return (!ok || ns.Terminating() || ns.Implied) && len(after.PodsLeft(ref.Namespace)) == 0
}
