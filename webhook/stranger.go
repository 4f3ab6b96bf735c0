package webhook

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/guardrail"
)

func groupKind(r *admission.Request) schema.GroupKind {
	return schema.GroupKind{Group: r.Kind.Group, Kind: r.Kind.Kind}
}

// nobodyJudges answers a request about a kind that neither the model nor a
// guardrail knows. It is allowed, as there is no question about it: a webhook
// that is registered for everything must not stop the leases of the nodes.
func (j *Judge) nobodyJudges(r *admission.Request, kind schema.GroupKind) verdict {
	j.Metrics.unjudged.Inc()
	if j.strangers.first(kind) {
		j.Log.Warn("the webhook is registered for a kind that neither the model nor a guardrail knows; it is allowed", "kind", kind.String(), "operation", r.Operation)
	}
	return verdict{
		decision: guardrail.Decision{Subject: requestSubject(r)},
		note:     fmt.Sprintf("%s is not a kind that Podcullis models or a guardrail names: allowed, and not judged", kind),
	}
}

// strangers are the kinds that the log has named, so that it names each once.
type strangers struct {
	mu    sync.Mutex
	named map[schema.GroupKind]bool
}

// maxStrangers bounds them: who may define kinds must not fill the memory.
const maxStrangers = 1000

func (s *strangers) first(kind schema.GroupKind) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.named[kind] || len(s.named) == maxStrangers {
		return false
	}
	if s.named == nil {
		s.named = map[schema.GroupKind]bool{}
	}
	s.named[kind] = true
	return true
}
