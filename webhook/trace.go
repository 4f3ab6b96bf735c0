package webhook

import (
	"context"
	"slices"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/internal/span"
)

// trace tells the span of a review what was decided, and by which guardrails: their names,
// and nothing that they say, which names objects.
func (j *Judge) trace(ctx context.Context, v verdict) {
	s := span.From(ctx)
	if s == nil {
		return
	}
	s.SetAttributes(span.Decision.String(v.outcome(j.Mode)))
	var names []string
	for _, d := range v.decision.With(guardrail.Deny) {
		names = append(names, d.Guardrail)
	}
	if slices.Sort(names); len(names) > 0 {
		s.SetAttributes(span.Denied.StringSlice(slices.Compact(names)))
	}
}
