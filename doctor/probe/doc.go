// Package probe tries with real packets whether NetworkPolicies are enforced: two short-lived
// pods, a NetworkPolicy on either side that lets three ports through and then forgets one, and a
// look at which ports still answer.
//
//	result, err := probe.Run(ctx, probe.Options{Client: client, Namespace: "default", Image: image})
//
// Invariants:
//   - It changes nothing that is there: what it makes has names and labels of its own, and its
//     NetworkPolicies select its own pods only.
//   - All that it makes is gone when Run returns, whatever happened; a process that is killed
//     leaves a Job that ends by itself, is removed when it has, and owns all the rest.
//   - "Ignored" is said only after the packets arrived for all of the patience, and "enforced"
//     only while the port beside it still answered.
package probe
