package breach

import (
	"slices"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

const (
	// fewChanges is up to how many changes guardrails are asked beside each of them.
	fewChanges = 16
	// maxPieces is into how many pieces what has changed is cut at most.
	maxPieces = 64
)

// pieces cut what has changed into comparisons that follow each other: each change is
// judged with those that were seen before it.
func (w *Watcher) pieces(rules guardrail.InForce, before, now *cluster.Snapshot) []*sighting {
	changes := judgedOf(now.ChangesSince(before))
	if len(changes) == 0 {
		return nil
	}
	whole := w.newSighting(rules, before, now, changes)
	return whole.split(max(w.few, (len(changes)+maxPieces-1)/maxPieces))
}

func judgedOf(changes []cluster.Change) []cluster.Change {
	return slices.DeleteFunc(changes, cluster.Change.Idle)
}

// split makes several of one comparison, of at most so many changes each, in the order in
// which they were seen.
func (s *sighting) split(size int) []*sighting {
	if len(s.changes) <= size {
		return []*sighting{s}
	}
	changes := seenOrder(s.changes, s.watcher.Model.Journal())
	var out []*sighting
	before := s.before
	for part := range slices.Chunk(changes, size) {
		after := s.after
		if len(out)*size+len(part) < len(changes) {
			var err error
			if after, err = stepped(before, part); err != nil {
				return []*sighting{s}
			}
		}
		piece := s.watcher.newSighting(s.rules, before, after, part)
		piece.opened, piece.counting, piece.batch = s.opened, s.counting, s.batch
		out = append(out, piece)
		before = after
	}
	s.batch.pieces += len(out) - 1
	return out
}

// stepped is a snapshot after some changes, with what is to be remembered then.
func stepped(before *cluster.Snapshot, changes []cluster.Change) (*cluster.Snapshot, error) {
	after, err := before.Apply(changes...)
	if err != nil || before.Memory() == nil {
		return after, err
	}
	return after.WithMemory(before.Memory().After(after, time.Now())), nil
}

// seenOrder are changes in the order in which the watches told of them. What the journal
// does not know any more comes first.
func seenOrder(changes []cluster.Change, journal []cluster.Written) []cluster.Change {
	at := make(map[cluster.Ref]int, len(changes))
	for _, c := range changes {
		at[c.Ref()] = -1
	}
	for i, w := range journal {
		if _, ok := at[w.Ref]; ok {
			at[w.Ref] = i
		}
	}
	out := slices.Clone(changes)
	slices.SortStableFunc(out, func(a, b cluster.Change) int { return at[a.Ref()] - at[b.Ref()] })
	return out
}
