package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A review leaves tens of kilobytes of garbage, and what lives is the model: with Go's own
// setting, a heap that may double, a sixth of the processor time goes into marking the
// model again and again. Under a memory limit there is room for more garbage: up to three
// eighths of it, well below the half at which a long evaluation asks for a collection, to see
// whether it has to be ended (ADR 14). That one comes late, and everybody has to help with it.
const (
	// patientGOGC is the most garbage, in percent of what lives. Beyond it nothing is saved that can be measured.
	patientGOGC = 400
	plainGOGC   = 100
	// stepGOGC keeps the setting from following each collection: to set it stops the world for a moment.
	stepGOGC = 50
	// heapPeriod is how often it is looked at how much lives. GOMEMLIMIT holds meanwhile.
	heapPeriod = 5 * time.Second
)

// collector sets how much garbage there may be.
type collector struct {
	limit int64 // of memory, in bytes
	log   *slog.Logger
	live  func() uint64
	set   func(percent int) (before int)
}

// newCollector is nil where the setting is somebody else's, or without a limit to go by.
func newCollector(limit int64, log *slog.Logger) *collector {
	if _, given := os.LookupEnv("GOGC"); given || limit <= 0 {
		return nil
	}
	return &collector{limit: limit, log: log, live: liveHeap, set: debug.SetGCPercent}
}

// watch looks until ctx ends, and then leaves everything as it was.
func (c *collector) watch(ctx context.Context) {
	if c == nil {
		return
	}
	ticker := time.NewTicker(heapPeriod)
	defer ticker.Stop()
	percent := c.set(plainGOGC)
	defer c.set(percent)
	for now := plainGOGC; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if wanted := garbagePercent(c.live(), c.limit); wanted != now {
			c.log.DebugContext(ctx, "garbage collector", "percent", wanted)
			c.set(wanted)
			now = wanted
		}
	}
}

// garbagePercent is with how much garbage, in percent of what lives, the heap stays
// within three eighths of the limit.
func garbagePercent(live uint64, limit int64) int {
	room := float64(limit)/8*3 - float64(live)
	percent := int(min(patientGOGC, max(0, 100*room/max(1, float64(live)))))
	return max(plainGOGC, percent/stepGOGC*stepGOGC)
}

// liveHeap is how many bytes the last collection has found alive.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
