// Package policies holds the guardrails that come with Podcullis, in Rego. It is
// data: package guardrail loads and evaluates it.
package policies

import "embed"

// FS are the Rego files.
//
//go:embed *.rego lib/*.rego
var FS embed.FS
