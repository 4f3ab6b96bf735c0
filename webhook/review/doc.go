// Package review is AdmissionReview over HTTP: the handler of [NewHandler] bounds what comes
// in, reads reviews, gives each to an admission.Handler under a deadline, and writes the
// answer.
//
// Two kinds of "no" are kept apart. "This cannot be judged" is an answer with allowed=false,
// which holds under every failurePolicy. "Not ready" and "too much to do" are HTTP 503, which
// the API server tries again and then treats by the failurePolicy. Nothing that was not
// judged is ever allowed, but in audit mode, which never denies.
//
// It knows no guardrail and no model. Of ours it imports cluster/wire, which reads JSON, and
// webhook/serving, whose bodies and connections it uses (imports_test.go holds this).
package review
