package webhook

import (
	"sync"
	"time"

	"github.com/podcullis/podcullis/cluster"
)

// pending are the changes that were allowed and have not been seen in the model
// yet. Two changes, each harmless alone, can open a path together; judging the
// second against a model without the first would let both in.
type pending struct {
	mu      sync.Mutex
	entries []pendingChange
	// generation counts the admissions, so that a judgement can tell whether
	// another change was allowed meanwhile.
	generation uint64
}

type pendingChange struct {
	change cluster.Change
	// seen is what the model held at admission; anything else settles the entry.
	seen    cluster.Object
	settles time.Time // until then it is worth waiting for
	expires time.Time
}

const (
	// settleTime is how long a judgement waits for an earlier change to show in
	// the model: a watch event takes milliseconds.
	settleTime = 300 * time.Millisecond
	// pendingTime is after how long an allowed change counts as lost: the API
	// server gives every request 34 s (requestTimeoutUpperBound), and some slack.
	pendingTime = 40 * time.Second
)

// open lists the changes that s does not show yet, and the generation to commit against.
func (p *pending) open(s *cluster.Snapshot, now time.Time) ([]pendingChange, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.entries[:0]
	for _, e := range p.entries {
		if now.Before(e.expires) && current(s, e.change.Ref()) == e.seen {
			kept = append(kept, e)
		}
	}
	clear(p.entries[len(kept):])
	p.entries = kept
	return append([]pendingChange(nil), kept...), p.generation
}

// commit records an allowed change, unless another was allowed since generation.
func (p *pending) commit(c cluster.Change, s *cluster.Snapshot, generation uint64, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.generation != generation {
		return false
	}
	p.generation++
	p.entries = append(p.entries, pendingChange{
		change: c, seen: current(s, c.Ref()), settles: now.Add(settleTime), expires: now.Add(pendingTime),
	})
	return true
}

// current is the model's object of that identity, nil if it has none.
func current(s *cluster.Snapshot, r cluster.Ref) cluster.Object {
	switch r.Kind {
	case "Namespace":
		if ns, ok := s.Namespace(r.Name); ok && !ns.Implied {
			return ns
		}
	case "Pod":
		if p, ok := s.Pod(r.Namespace, r.Name); ok {
			return p
		}
	case "NetworkPolicy":
		if n, ok := s.Netpol(r.Namespace, r.Name); ok {
			return n
		}
	default:
		if t, ok := s.Template(r); ok {
			return t
		}
	}
	return nil
}
