package guardrail

import (
	"errors"
	"time"
)

// overdueAfter is how long after the end of its time an evaluation may come back. One that
// heeds its end takes far less.
const overdueAfter = 100 * time.Millisecond

// errOverdue keeps a guardrail from taking a processor for each review that it is asked about.
var errOverdue = errors.New("not evaluated: an evaluation of it that ran out of time has not come to an end yet; mend this guardrail, and restart podcullis, which alone ends such an evaluation")

// begin readies the turn for the next guardrail of an evaluation. It is an error while an
// earlier evaluation of that guardrail is overdue. What takes so long is hardly another
// time quick, and nothing can interrupt it: a comparison of values that share their
// parts, say. It keeps a processor until it ends; a second one is not begun.
func (t *turn) begin(i *instance) error {
	if i.overdue.Load() > 0 {
		return errOverdue
	}
	t.ended = nil
	t.asked.Store(i)
	return nil
}

// markOverdue counts the evaluation that is still going on.
func (t *turn) markOverdue() {
	if i := t.asked.Swap(nil); i != nil {
		i.overdue.Add(1)
	}
}

// done ends what begin began. Whoever takes the guardrail out of the turn has it: if
// that was markOverdue, its evaluation is no longer overdue.
func (t *turn) done(i *instance) {
	if t.asked.Swap(nil) == nil {
		i.overdue.Add(-1)
	}
}
