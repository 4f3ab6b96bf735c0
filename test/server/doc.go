// Package server runs the webhook's binary for tests: it builds it, starts it as a process,
// waits until it is ready, and says with what rules an API server asks it.
//
// Whoever starts a process ends it: one may outlive the subtest that started it.
package server
