// Package suggest answers which netpols keep a list of connections and let nothing else
// through: a default-deny for each namespace, and beside it as few netpols as it takes. Each
// answer is proved on the model by connectivity, the other way round: what is open with the
// netpols is compared with the list.
//
// It knows snapshots and no files, guardrails or API servers: what must be there and what
// must not is told to it as questions about paths (imports_test.go holds this).
package suggest
