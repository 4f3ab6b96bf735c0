package load

import (
	"math"
	"slices"
	"time"
)

// Latencies are how long answers took, in any order.
type Latencies []time.Duration

// Quantile is the smallest latency that the share q (0 to 1) of all does not
// exceed: 0.5 is the median, 1 the longest. It is 0 when there are none. No value
// is interpolated, so each is one that was measured.
func (l Latencies) Quantile(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l))
	rank := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

// Median is the middle one of numbers, the mean of the two middle ones if they are
// even in number, and 0 if there are none.
func Median(numbers []float64) float64 {
	if len(numbers) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(numbers))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
