package guardrail

import (
	"errors"
	"time"
)

// overdueAfter is how long after the end of its time an evaluation may come back. One that
// heeds its end takes far less.
const overdueAfter = 100 * time.Millisecond

// errOverdue keeps a guardrail from taking a processor for each review that it is asked about.
var errOverdue = errors.New("not evaluated: evaluations that ran out of time and have not finished hold all processors, and some are of this guardrail; mend it, and restart podcullis, which alone ends such an evaluation if it has no end")

// begin readies the turn for the next guardrail of an evaluation. It is an error while
// evaluations that are overdue hold all processors, and an earlier one of that guardrail is
// among them. Nothing can interrupt those: a comparison of values that share their parts,
// say. As long as a processor is left, one review that takes long, because its
// object is large or the machine is busy, must not have the reviews of others refused.
func (t *turn) begin(i *instance) error {
	if i.overdue.Load() > 0 && t.lane.overdue.Load() >= t.lane.processors {
		return errOverdue
	}
	t.ended = nil
	t.asked.Store(i)
	return nil
}

// markOverdue counts the evaluation that is still going on.
func (t *turn) markOverdue() {
	if i := t.asked.Swap(nil); i != nil {
		t.lane.overdue.Add(1)
		i.overdue.Add(1)
	}
}

// done ends what begin began. Whoever takes the guardrail out of the turn has it: if
// that was markOverdue, its evaluation is no longer overdue.
func (t *turn) done(i *instance) {
	if t.asked.Swap(nil) == nil {
		i.overdue.Add(-1)
		t.lane.overdue.Add(-1)
	}
}
