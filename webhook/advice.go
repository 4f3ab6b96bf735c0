package webhook

import (
	"context"
	"time"

	"github.com/podcullis/podcullis/remedy"
)

// advise adds to a denial by which edit of the change nothing would deny it. It takes
// at most half of the time that is left: the answer itself is more important.
func (j *Judge) advise(ctx context.Context, v *verdict) {
	evaluator, ok := j.Evaluator.(remedy.Evaluator)
	if !ok || v.err != nil || !v.decision.Denied() || v.review.Change.Idle() {
		return
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	v.decision.Advice = remedy.Advise(ctx, evaluator, v.review, v.decision)
}
