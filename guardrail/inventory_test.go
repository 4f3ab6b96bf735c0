package guardrail

import (
	"testing"
	"time"
)

// The turns of an evaluation that goes on for very long grow, unless nobody waits for it:
// somebody else would wait for a whole one.
func TestTurnsInTheBackgroundStayShort(t *testing.T) {
	for _, background := range []bool{false, true} {
		turn := newLane().newTurn(t.Context())
		turn.lane.patience = 0
		if background {
			turn.inBackground()
		}
		first := turn.length
		for range 12 {
			turn.pause()
			turn.got -= time.Hour // it has had its turn
		}
		if grew := turn.length > first; grew == background {
			t.Errorf("in the background %v: a turn of %s, at first %s", background, turn.length, first)
		}
		turn.end()
	}
}
