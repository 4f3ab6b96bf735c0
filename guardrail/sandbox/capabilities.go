package sandbox

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// allowedFamilies and allowedBuiltins are what a guardrail may call: pure
// functions whose cost is bounded by their input, and that of one call by bounds.go. What OPA adds in a later
// version stays out until it is listed here. Left out on purpose, beside
// everything with host access: time.now_ns and rand (admission, audit, CLI and a replay
// must answer alike; input.time is the time), graph.* and bits.lsh (they do not heed the
// deadline, and a graph of 700 nodes takes half a minute), json.patch (neither, and 32 patches
// can take a gigabyte), json.match_schema and verify_schema (a schema that refers to itself ends the
// process), all of net.* but the arithmetic of single blocks, and io.jwt.*.
var (
	allowedFamilies = []string{"array.", "base64.", "glob.", "json.", "object.", "regex.", "semver.", "strings.", "time.", "units."}
	deniedBuiltins  = []string{
		"time.now_ns", "strings.render_template", "json.patch", "json.match_schema", "json.verify_schema",
		// What nobody asks for in a rule about objects of Kubernetes, and each needs a bound.
		"array.flatten", "glob.quote_meta", "json.marshal_with_options", "regex.globs_match", "regex.template_match",
		"strings.reverse", "strings.split_n",
	}
	allowedBuiltins = []string{
		"abs", "all", "and", "any", "assign", "ceil", "concat", "contains", "count",
		"div", "endswith", "eq", "equal", "floor", "format_int", "gt", "gte", "indexof", "intersection",
		"internal.member_2", "internal.member_3", "internal.print", "internal.template_string", "internal.test_case",
		"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "lower", "lt", "lte", "max", "min", "minus", "mul", "net.cidr_contains", "net.cidr_intersects", "net.cidr_is_valid", "neq", "numbers.range",
		"or", "plus", "print", "rego.metadata.chain", "rego.metadata.rule", "rem", "replace", "round", "sort", "split", "sprintf", "startswith", "substring", "sum",
		// What Rego v0 has beside, and rules of version 1 cannot call.
		"cast_array", "cast_boolean", "cast_null", "cast_object", "cast_set", "cast_string", "net.cidr_overlap", "re_match", "set_diff",
		"to_number", "trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix", "type_name", "union", "upper", "walk", "yaml.unmarshal",
	}
)

// Capabilities are the sandbox of a guardrail: what of OPA's it may call, and
// Podcullis's own.
func Capabilities(own ...*ast.Builtin) *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return !Allowed(b.Name) })
	c.Builtins = append(c.Builtins, own...)
	slices.SortFunc(c.Builtins, func(a, b *ast.Builtin) int { return strings.Compare(a.Name, b.Name) })
	c.AllowNet = []string{}
	return c
}

// Allowed reports whether a guardrail may call a builtin of OPA.
func Allowed(name string) bool {
	if slices.Contains(deniedBuiltins, name) {
		return false
	}
	return slices.Contains(allowedBuiltins, name) ||
		slices.ContainsFunc(allowedFamilies, func(f string) bool { return strings.HasPrefix(name, f) })
}
