package webhook

import (
	"context"

	"github.com/podcullis/podcullis/remedy"
)

// advise adds to a denial by which edit of the change nothing would deny it.
func (j *Judge) advise(ctx context.Context, v *verdict) {
	if v.err != nil || !v.decision.Denied() {
		return
	}
	if r, found := remedy.Find(ctx, j.Evaluator, v.review, v.decision); found {
		v.decision.Advice = r.Advice()
	}
}
