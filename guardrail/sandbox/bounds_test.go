package sandbox

import (
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// unbounded are the builtins of the sandbox that need no bound: what they do is little, or
// grows with what is there already and no faster than reading it, or asks whether to stop.
var unbounded = strings.Fields(`
	all and any assign array.reverse array.slice
	cast_array cast_boolean cast_null cast_object cast_set cast_string contains count endswith eq equal gt gte
	internal.member_2 internal.member_3 internal.print internal.test_case
	is_array is_boolean is_null is_number is_object is_set is_string lt lte neq
	numbers.range object.filter object.get object.keys object.remove or print
	rego.metadata.chain rego.metadata.rule semver.compare semver.is_valid startswith strings.count substring
	time.add_date time.clock time.date time.diff time.format time.parse_duration_ns time.parse_ns time.parse_rfc3339_ns time.weekday
	trim_prefix trim_space trim_suffix type_name walk
`)

func TestEveryBuiltinIsBoundedOrNeedsNone(t *testing.T) {
	sandbox := map[string]bool{}
	for _, b := range Capabilities().Builtins {
		sandbox[b.Name] = true
		if _, bounded := bounds[b.Name]; bounded == slices.Contains(unbounded, b.Name) {
			t.Errorf("%s is bounded: %t; give it a bound in bounds.go, or say here that it needs none", b.Name, bounded)
		}
	}
	for name := range bounds {
		if !sandbox[name] || topdown.GetBuiltin(name) == nil {
			t.Errorf("%s has a bound and is no builtin of the sandbox", name)
		}
	}
}

func FuzzInstructions(f *testing.F) {
	for _, pattern := range []string{"", "a", "a*", "(a|b)+c?$", "[a-z]{2,5}", "(a{3}b?){2,}", `\pL{10}x`, "(?i)straße{3}", "(((a{10}){10}){10})", "||||", "(?:a?){0}", "[^{}]{1,3}", `\{5`, "a{2}{3}{4}"} {
		f.Add(pattern)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		re, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			t.Skip()
		}
		program, err := syntax.Compile(re.Simplify())
		if err != nil {
			t.Skip()
		}
		exact := len(program.Inst)
		if n, most := instructions(pattern), estimate(pattern); n < exact || most < exact {
			t.Errorf("%q: %d instructions, %d at most, and it has %d", pattern, n, most, exact)
		}
	})
}
