package main

import (
	"context"

	"github.com/podcullis/podcullis/guardrail"
)

// printing says what guardrails print, if that is asked for.
func (p *program) printing(ctx context.Context) context.Context {
	if !p.prints {
		return ctx
	}
	return guardrail.Printing(ctx, func(l guardrail.Printed) {
		p.say("[%s] %s: %s:%d: %s", l.Guardrail, l.Object, l.File, l.Line, l.Text)
	})
}
