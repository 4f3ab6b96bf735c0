package review

import (
	"log/slog"
	"sync"
	"time"
)

// sparingPeriod is how often a sparing logger says something at most.
const sparingPeriod = time.Second

// sparing logs one line a period of what anybody who reaches the port can cause, and how
// many more there were: a stranger must not fill the log, nor push out what is in it.
type sparing struct {
	logger *slog.Logger

	mu      sync.Mutex
	resting bool
	left    int // not logged in this period
}

// warn logs, or counts.
func (s *sparing) warn(message string, attributes ...any) {
	s.mu.Lock()
	if s.resting {
		s.left++
		s.mu.Unlock()
		return
	}
	s.resting = true
	s.mu.Unlock()
	s.logger.Warn(message, attributes...)
	time.AfterFunc(sparingPeriod, s.rested)
}

// rested says how many were left out, if any, and that is this period's line.
func (s *sparing) rested() {
	s.mu.Lock()
	left := s.left
	s.left, s.resting = 0, left > 0
	s.mu.Unlock()
	if left > 0 {
		s.logger.Warn("more reviews were refused unjudged", "reviews", left, "within", sparingPeriod)
		time.AfterFunc(sparingPeriod, s.rested)
	}
}
