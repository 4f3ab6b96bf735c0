// Package plan finds an order for the objects of one change in which each of them, by
// itself, is allowed: then no state between opens a path that must stay shut, or closes
// one that must be there. Where there is none it has tried all, or says that it gave up.
//
//   - It imports guardrail and cluster only, does no I/O and reads no clock: the bounds
//     are numbers of evaluations.
//   - An evaluation that fails is an error, never an allowed step.
package plan
