// Package webhook judges: it turns an admission request into a change of the model, asks the
// guardrails in each world that what is in flight makes possible, and words the answer.
//
// [Judge] is an admission.Handler. How a review gets here is another matter: package serving
// has the TLS connections, package review reads AdmissionReviews and writes the answers.
//
// Nothing that was not judged is ever allowed, but in audit mode, which never denies.
//
// It must not import report, audit or OPA (imports_test.go holds this).
package webhook
