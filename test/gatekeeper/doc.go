// Package gatekeeper asks Gatekeeper's own client beside ours: both have to say the same about
// the same templates, constraints and objects, and what each takes for it is measured in one
// run. What Gatekeeper's module brings of templates and suites is read from the module cache.
//
// It is a module of its own, so that Gatekeeper is no dependency of Podcullis.
package gatekeeper
