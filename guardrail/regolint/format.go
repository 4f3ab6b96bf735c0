package regolint

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"

	"github.com/podcullis/podcullis/guardrail"
)

// Format is a file as `opa fmt` writes it. An error is what does not parse.
func Format(file string, text []byte) ([]byte, error) {
	if _, faults := guardrail.ParseFile(file, text); len(faults) > 0 {
		return nil, faults
	}
	options := guardrail.ParserOptions()
	out, err := format.SourceWithOpts(file, text, format.Opts{RegoVersion: ast.RegoV1, ParserOptions: &options})
	if err != nil {
		return nil, guardrail.Readable(err)
	}
	return out, nil
}
