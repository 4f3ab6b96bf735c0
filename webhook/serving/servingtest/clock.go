package servingtest

import (
	"sync/atomic"
	"time"
)

// WallClock is a clock that a test sets, and that does not go by itself.
type WallClock struct{ at atomic.Pointer[time.Time] }

// NewWallClock stands at a time.
func NewWallClock(at time.Time) *WallClock {
	c := &WallClock{}
	c.Set(at)
	return c
}

// Now is what it shows.
func (c *WallClock) Now() time.Time { return *c.at.Load() }

// Set sets it.
func (c *WallClock) Set(at time.Time) { c.at.Store(&at) }
