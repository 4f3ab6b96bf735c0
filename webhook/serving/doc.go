// Package serving is a TLS server that loses no request: it bounds the connections and how
// slow a caller may be, hands out certificates that change, and drains before it ends.
//
// [Server] is a webhook.Server of controller-runtime. [Body] is the body of a request on its
// way: who takes too long over it, or has to go for others, gets an answer first.
//
// It knows nothing of reviews and imports nothing of ours (imports_test.go holds this).
package serving
