// Package live is what custom resources need of an API server: it follows the objects, answers
// when one is changed, and writes what became of each into its status.
//
//	follower := live.NewFollower(config, log)
//	server.Register("/resources", review.NewHandler(live.NewDoor(options), ...))
//	writer.Run(ctx) // on one replica
//
// Invariants:
//   - Nothing here is on the way of a review of anything but a Guardrail or an Exemption.
//   - What cannot be judged, or about which the API server does not answer, is refused.
//   - It approves nothing: status.approval is read, and never written.
package live
