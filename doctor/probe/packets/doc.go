// Package packets is both ends of a probe: what listens, and what tries connections while
// NetworkPolicies change around it. It runs in the pods of package probe.
//
// Invariants: it sends nothing but the beginning of connections, to the addresses that it is
// given; it ends when its time is over; it imports nothing but the standard library.
package packets
