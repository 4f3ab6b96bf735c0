// Package customresource makes guardrails and exemptions of custom resources, and says of each
// object what became of it.
//
// What it answers: which of the Guardrail and Exemption objects of a cluster, or of files, are in
// force beside a configuration file, and why the others are not?
//
//	set := customresource.NewSet()
//	outcome := set.Compose(base, objects, now)
//	config, err := base.Config.Extended(outcome.Instances, outcome.Exemptions)
//
// Invariants:
//   - An object never takes away from what the file says: a name that is there is the file's, and
//     an exemption holds only for guardrails that say so themselves (exemptible).
//   - A broken object changes nothing: what was in force of it before stays.
//   - An exemption is in force only with an approval of this very generation, by somebody other
//     than who asked, and only in its own namespace.
//   - It does no I/O and reads no clock, and imports no client of an API server.
package customresource
