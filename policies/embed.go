// Package policies holds the guardrails that come with Podcullis, in Rego. It is
// data: package guardrail loads and evaluates it.
package policies

import "embed"

// FS are the Rego files, and the presets: entries of a configuration that are ready made.
//
//go:embed *.rego lib/*.rego presets/*.yaml
var FS embed.FS
