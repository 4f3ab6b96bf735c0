package main

import "testing"

func TestCallersLeaveDescriptorsToOthers(t *testing.T) {
	for descriptors, want := range map[uint64]int{0: 0, 1: 8, 16: 8, 64: 32, 256: 128, 1024: 512, 2000: 512, 4096: 0, 1 << 20: 0, ^uint64(0): 0} {
		if got := socketsWithin(descriptors); got != want {
			t.Errorf("of %d descriptors %d are for callers, want %d", descriptors, got, want)
		}
	}
}
