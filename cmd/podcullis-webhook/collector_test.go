package main

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestGarbageLeavesRoomForEvaluations(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		live, limit int64
		want        int
	}{
		{0, 460 * mib, 400},
		{20 * mib, 460 * mib, 400},
		{60 * mib, 460 * mib, 150},
		{100 * mib, 460 * mib, 100},
		{230 * mib, 460 * mib, 100},
		{2000 * mib, 460 * mib, 100}, // the limit holds then, and no other setting
		{1, 1, 100},
	} {
		got := garbagePercent(uint64(test.live), test.limit)
		if got != test.want {
			t.Errorf("%d of %d bytes live: %d percent, want %d", test.live, test.limit, got, test.want)
		}
		if heap := test.live + test.live*int64(got)/100; got > plainGOGC && heap > test.limit/8*3 {
			t.Errorf("%d of %d bytes live: the heap grows to %d", test.live, test.limit, heap)
		}
	}
}

func TestTheCollectorFollowsWhatLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := uint64(10)
		settings := []int{}
		c := &collector{limit: 1000, log: slog.New(slog.DiscardHandler), live: func() uint64 { return live }, set: func(percent int) int {
			settings = append(settings, percent)
			return 77
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			c.watch(ctx)
			close(done)
		}()
		for _, live = range []uint64{10, 11, 140, 400, 10} {
			time.Sleep(heapPeriod)
			synctest.Wait()
		}
		cancel()
		<-done
		if want := []int{100, 400, 150, 100, 400, 77}; !slices.Equal(settings, want) {
			t.Errorf("it was set to %v, want %v", settings, want)
		}
	})
}

// Who sets GOGC knows why, and without a limit more garbage is more memory.
func TestTheCollectorIsLeftAlone(t *testing.T) {
	t.Setenv("GOGC", "100")
	if newCollector(1<<30, slog.New(slog.DiscardHandler)) != nil {
		t.Error("GOGC is set, and it is set to something else")
	}
	if err := os.Unsetenv("GOGC"); err != nil { // until the end of the test
		t.Fatal(err)
	}
	if newCollector(0, slog.New(slog.DiscardHandler)) != nil {
		t.Error("there is no limit, and it is set")
	}
	if newCollector(1<<30, slog.New(slog.DiscardHandler)) == nil {
		t.Error("it is not set")
	}
	var none *collector
	none.watch(t.Context()) // comes back
}

func TestLiveHeapIsWhatLives(t *testing.T) {
	keep := make([]byte, 64<<20)
	runtime.GC()
	if live := liveHeap(); live < 64<<20 || live > 4<<30 {
		t.Errorf("%d bytes live beside 64 MiB", live)
	}
	runtime.KeepAlive(keep)
}
