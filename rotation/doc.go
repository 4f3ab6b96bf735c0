// Package rotation keeps the webhook's serving certificate where no cert-manager
// does: in a Secret that all replicas share, with a CA of its own.
//
// What it answers: which pair to serve now, such that the API server trusts it.
//
//	keeper := rotation.New(rotation.Options{Client: c, Secret: key, Configuration: "podcullis", Hosts: hosts, Dir: dir})
//	err := keeper.Keep(ctx) // dir has tls.crt and tls.key now
//	go keeper.Watch(ctx)
//
// Certificates are made and checked by github.com/open-policy-agent/cert-controller.
// Its own controllers are not used: they list and watch every Secret of the
// namespace and every webhook configuration, and this package needs to get and
// write one of each (docs/adr/0012-rotation.md).
//
// Invariants:
//   - The first writer wins: whoever meets a Secret that another replica has just
//     filled takes what is there.
//   - A pair is served only when its CA has been in the webhook configuration for a
//     while, but for the very first pair; and the CA before it stays there. So the
//     change of a CA loses no call.
//   - It imports nothing of ours.
package rotation
