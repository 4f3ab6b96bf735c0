// Package bundles runs the webhook's binary with guardrails from a bundle, publishes good bundles and bad
// ones, and asks it reviews: whatever somebody publishes, the last good one judges.
//
// There is no API server: the cluster is a file, and the tests send the reviews.
package bundles
