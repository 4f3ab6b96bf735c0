// Package chaos makes bad days for a webhook that a real API server asks, and
// counts what goes wrong: restarts, kills, rotations, outages, watches that are cut
// off, hostile guardrails, padding, slow callers.
//
// What it answers: of so many requests under so many faults, how many got the wrong
// answer and how many none. Its figures are in docs/reliability.md.
//
// `make test` runs a short form of each; `make chaos` (-scale 100) the full numbers.
// Nothing but tests is in it, and nothing imports it.
package chaos
