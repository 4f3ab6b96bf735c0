// Package webhook is where an AdmissionReview enters, and how it is answered.
//
// From the outside in: [Server] owns the TLS listener and the drain, the handler
// of [NewReviewHandler] reads reviews and writes answers, and [Judge] turns a
// request into a change of the model, asks the guardrails and words the answer.
//
// Two kinds of "no" are kept apart. "A guardrail refuses this", and "this cannot
// be judged", are answers with allowed=false, which hold under every
// failurePolicy. "Not ready" and "too much to do" are HTTP 503, which the API
// server tries again and then treats by the failurePolicy. Nothing that was not
// judged is ever allowed, but in audit mode, which never denies.
//
// It must not import report, audit or OPA (imports_test.go holds this).
package webhook
