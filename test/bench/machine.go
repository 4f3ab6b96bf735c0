package main

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// loadAverage is that of the last minute; empty where the kernel does not say.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// heap is how many bytes are in use once everything that can go is gone.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one's finalizers let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// clocks are how long something takes: as a user waits for it, or in processor
// time of the whole process, collection of garbage included. On a machine that
// others use, the second tells what the first would be without them; it is never
// less where the work is done by one goroutine.
func clocks() map[string]func() time.Duration {
	start := time.Now()
	return map[string]func() time.Duration{
		"wall": func() time.Duration { return time.Since(start) },
		"cpu": func() time.Duration {
			var used syscall.Rusage
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
				panic(err) // RUSAGE_SELF always works
			}
			return time.Duration(used.Utime.Nano() + used.Stime.Nano())
		},
	}
}
