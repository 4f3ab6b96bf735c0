package guardrail

import (
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/guardrail/sandbox"
)

// Capabilities are the sandbox of a guardrail: the builtins that it may call,
// Podcullis's own among them. Written to a file they tell opa check, opa test
// and editors the same (https://www.openpolicyagent.org/docs/deployments#capabilities).
func Capabilities() *ast.Capabilities {
	own := make([]*ast.Builtin, 0, len(builtins))
	for _, b := range builtins {
		own = append(own, b.decl())
	}
	return sandbox.Capabilities(own...)
}

// CapabilitiesJSON is Capabilities as a file for opa check, opa test and editors.
// OPA itself would leave an empty allow_net out, and then read that as "every host".
func CapabilitiesJSON() ([]byte, error) {
	type capabilities ast.Capabilities
	return json.MarshalIndent(struct {
		*capabilities
		AllowNet []string `json:"allow_net"`
	}{(*capabilities)(Capabilities()), []string{}}, "", "  ")
}
