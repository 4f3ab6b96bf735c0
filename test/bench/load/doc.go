// Package load asks something over and over, and says how long the answers took.
//
// [Closed] asks as fast as the answers come and measures throughput. [Open] asks at
// fixed times whether or not earlier answers have come, and counts each latency
// from the time at which the question was due: a server that stalls for a second
// is charged with every question of that second, not with one (coordinated
// omission).
package load
