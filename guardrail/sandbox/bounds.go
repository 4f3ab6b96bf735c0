package sandbox

import (
	"fmt"
	"math"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// What one call of a builtin may take on. OPA asks for the deadline and the memory between
// calls, and within few functions, so that what a single call may do must be little
// next to both. Real guardrails stay far below; docs/guardrails.md names these numbers.
const (
	maxText   = 4 << 20   // bytes of text that a call reads or makes
	maxValues = 1_000_000 // values that it reads
	maxMade   = 250_000   // values that it makes of a text
	maxParsed = 1 << 20   // bytes of JSON or YAML that it reads
	maxSlow   = 100_000   // values that it sorts, some microseconds each
	maxDigits = 4096      // characters of a number
	// maxComparisons is for what may compare each part of one operand with each of another.
	maxComparisons = 1 << 28
	// maxInstructions is the size of a regular expression, as the program it is compiled to.
	maxInstructions = 1 << 14
	// maxSteps is for that program over a text, once and, for what finds
	// all matches, once from each place of the text.
	maxSteps, maxStepsAll = 1 << 26, 1 << 30
)

// bound checks the operands of a call: its error says what is too much. Operands of the
// wrong type are left to the builtin.
type bound func(args []*ast.Term) error

// bounds are the builtins that need one: what makes more than it is given, or may work
// for long without asking whether it should stop. The sandbox's others are in
// bounds_test.go, so that what a new version of OPA brings is in one of the two.
var bounds = map[string][]bound{
	"array.concat": {lengths},

	"concat": {weighed, concatenated}, "replace": {weighed, replaced}, "strings.replace_n": {weighed, replacedMany, compared(0, 1)},
	"sprintf": {formatted}, "internal.template_string": {weighed},
	"split": {weighed, splitted}, "indexof": {weighed, compared(0, 1)},
	"trim": {compared(0, 1)}, "trim_left": {compared(0, 1)}, "trim_right": {compared(0, 1)},
	"upper": {weighed}, "lower": {weighed}, "strings.any_prefix_match": {weighed}, "strings.any_suffix_match": {weighed},

	"base64.encode": {weighed}, "base64.decode": {weighed}, "base64.is_valid": {weighed},

	"json.unmarshal": {parsed, unmarshalled}, "json.is_valid": {parsed}, "yaml.unmarshal": {parsed, unmarshalled},
	"json.marshal": {weighed}, "json.filter": {weighed}, "json.remove": {weighed},
	"object.union": {weighed}, "object.union_n": {weighed}, "object.subset": {weighed, searched},
	"union": {weighed}, "intersection": {weighed}, "sort": {weighedSlow}, "max": {weighed}, "min": {weighed},

	"net.cidr_contains": {digits}, "net.cidr_overlap": {digits}, "set_diff": {weighed}, "net.cidr_intersects": {digits}, "net.cidr_is_valid": {digits},
	"abs": {digits}, "ceil": {digits}, "floor": {digits}, "round": {digits},
	"plus": {digits}, "minus": {digits}, "mul": {digits}, "div": {digits}, "rem": {digits},
	"to_number": {digits}, "format_int": {digits}, "units.parse": {digits}, "units.parse_bytes": {digits},
	"sum": {weighed, eachDigits},

	"regex.match": {matched(0, 1)}, "re_match": {matched(0, 1)}, "regex.is_valid": {weighed},
	"regex.find_n": {matchedAll(0, 1)}, "regex.find_all_string_submatch_n": {matchedAll(0, 1)}, "regex.split": {matchedAll(0, 1)},
	"regex.replace": {matchedAll(1, 0), expanded},

	"glob.match": {weighed},
}

// Bound puts the bounds before OPA's functions. That is for the whole process: OPA
// looks in its own table first, so that a query cannot bring its own function of that
// name (ADR 16). It must be called before anything is evaluated.
var Bound = sync.OnceFunc(func() {
	for name, checks := range bounds {
		call := topdown.GetBuiltin(name)
		topdown.RegisterBuiltinFunc(name, func(bctx topdown.BuiltinContext, args []*ast.Term, iter func(*ast.Term) error) error {
			for _, check := range checks {
				if err := check(args); err != nil {
					// It ends the evaluation: "undefined" would read as "no violation".
					return topdown.Halt{Err: &topdown.Error{Code: topdown.BuiltinErr, Message: fmt.Sprintf("%s: %v", name, err), Location: bctx.Location}}
				}
			}
			return call(bctx, args, iter)
		})
	}
})

// tooMuch is the error of a bound.
func tooMuch(n, most int, of string) error {
	if n <= most {
		return nil
	}
	return fmt.Errorf("too much for one call: more than %d %s", most, of)
}

func weighed(args []*ast.Term) error { return weighedUpTo(args, Size{maxValues, maxText}) }

func weighedSlow(args []*ast.Term) error { return weighedUpTo(args, Size{maxSlow, maxParsed}) }

func weighedUpTo(args []*ast.Term, most Size) error {
	n := SizeOf(most, args...)
	if err := tooMuch(n.Values, most.Values, "values"); err != nil {
		return err
	}
	return tooMuch(n.Text, most.Text, "bytes of text")
}

func parsed(args []*ast.Term) error { return tooMuch(text(args[0]), maxParsed, "bytes of text") }

// unmarshalled is for texts with numbers: to compare long ones takes long.
func unmarshalled(args []*ast.Term) error {
	s, _ := args[0].Value.(ast.String)
	run := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			run = 0
		} else if run++; run > maxDigits {
			return tooMuch(run, maxDigits, "digits")
		}
	}
	return nil
}

func lengths(args []*ast.Term) error {
	return tooMuch(length(args[0])+length(args[1]), maxValues, "elements")
}

// compared is for what may compare each part of operand a with each of b.
func compared(a, b int) bound {
	return func(args []*ast.Term) error {
		return tooMuch(times(parts(args[a]), parts(args[b])), maxComparisons, "comparisons of the parts of its operands")
	}
}

// searched is for an array within another, whose elements may each be compared with each.
func searched(args []*ast.Term) error {
	if _, ok := args[0].Value.(*ast.Array); !ok {
		return nil
	}
	return tooMuch(times(length(args[0]), length(args[1])), maxSteps, "comparisons of elements")
}

func concatenated(args []*ast.Term) error {
	return tooMuch(times(text(args[0]), length(args[1])), maxText, "bytes of text")
}

func replaced(args []*ast.Term) error {
	base, former, latter := text(args[0]), text(args[1]), text(args[2])
	if latter <= former || times(base+1, latter) <= maxText {
		return nil
	}
	s, _ := args[0].Value.(ast.String)
	part, _ := args[1].Value.(ast.String)
	return tooMuch(base+times(strings.Count(string(s), string(part)), latter), maxText, "bytes of text")
}

func replacedMany(args []*ast.Term) error {
	longest := 0
	if patterns, ok := args[0].Value.(ast.Object); ok {
		patterns.Foreach(func(_, latter *ast.Term) { longest = max(longest, text(latter)) })
	}
	return tooMuch(times(text(args[1])+1, longest), maxText, "bytes of text")
}

// formatted bounds what sprintf makes: a width is that many letters, and an operand that is
// named by its index comes as often as there are verbs.
func formatted(args []*ast.Term) error {
	format, _ := args[0].Value.(ast.String)
	most := Size{maxValues, maxText}
	operands := SizeOf(most, args[1])
	made := operands.Text + 4*operands.Values
	if strings.Contains(string(format), "[") {
		made = times(made, strings.Count(string(format), "%"))
	}
	return tooMuch(len(format)+made+numbersIn(string(format)), maxText, "bytes of text")
}

// numbersIn adds the numbers in a text, each up to a million.
func numbersIn(text string) int {
	sum, n := 0, 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			sum, n = sum+n, 0
			continue
		}
		n = min(10*n+int(c-'0'), 1e6)
	}
	return sum + n
}

func splitted(args []*ast.Term) error {
	if text(args[0]) < maxMade {
		return nil
	}
	s, _ := args[0].Value.(ast.String)
	delimiter, _ := args[1].Value.(ast.String)
	return tooMuch(strings.Count(string(s), string(delimiter))+1, maxMade, "parts")
}

// digits bounds numbers, and texts that become one.
func digits(args []*ast.Term) error {
	for _, a := range args {
		switch v := a.Value.(type) {
		case ast.Number:
			if len(v) > maxDigits {
				return tooMuch(len(v), maxDigits, "digits")
			}
		case ast.String:
			if len(v) > maxDigits {
				return tooMuch(len(v), maxDigits, "characters")
			}
		}
	}
	return nil
}

func eachDigits(args []*ast.Term) (err error) {
	each(args[0], func(t *ast.Term) bool {
		n, _ := t.Value.(ast.Number)
		err = tooMuch(len(n), maxDigits, "digits")
		return err != nil
	})
	return err
}

// matched is for a regular expression over a text, once.
func matched(pattern, subject int) bound {
	return func(args []*ast.Term) error { return matchedUpTo(args[pattern], args[subject], maxSteps) }
}

// matchedAll is for what searches again behind each match, perhaps to the end of the text.
func matchedAll(pattern, subject int) bound {
	return func(args []*ast.Term) error {
		return matchedUpTo(args[pattern], args[subject], maxStepsAll/(text(args[subject])+1))
	}
}

func matchedUpTo(pattern, subject *ast.Term, steps int) error {
	p, _ := pattern.Value.(ast.String)
	n := estimate(string(p))
	if n > maxInstructions || times(n, text(subject)+1) > steps {
		n = instructions(string(p))
	}
	if err := tooMuch(n, maxInstructions, "instructions of a regular expression"); err != nil {
		return err
	}
	if times(n, text(subject)+1) <= steps {
		return nil
	}
	return fmt.Errorf("too much for one call: a text of %d bytes with a regular expression of %d instructions", text(subject), n)
}

// expanded is for regex.replace: base, pattern, value. There are no more matches than
// letters, and what a $ stands for is part of its match.
func expanded(args []*ast.Term) error {
	base := text(args[0])
	value, _ := args[2].Value.(ast.String)
	return tooMuch(times(base+1, len(value))+times(base, strings.Count(string(value), "$")), maxText, "bytes of text")
}

// estimate is what a regular expression is compiled to at most, in instructions. It
// is cheap, and far too much where braces are.
func estimate(pattern string) int {
	n := 2*len(pattern) + 4
	for i, c := range []byte(pattern) {
		if c == '{' { // as many copies, of what may hold copies itself
			body, _, _ := strings.Cut(pattern[i:], "}")
			n = times(n, 1+numbersIn(body))
		}
	}
	return n
}

// instructions is a better estimate, for which the regular expression is parsed.
func instructions(pattern string) int {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0 // which the builtin then says itself
	}
	return copies(parsed) + 4
}

// copies counts the instructions of a parsed regular expression.
func copies(re *syntax.Regexp) int {
	n := 2
	if re.Op == syntax.OpLiteral {
		n += len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += copies(sub)
	}
	if re.Op == syntax.OpRepeat {
		return times(n, max(re.Min+1, re.Max))
	}
	return min(n, math.MaxInt32)
}

// text is the length of a text in bytes, or of a number.
func text(t *ast.Term) int {
	switch v := t.Value.(type) {
	case ast.String:
		return len(v)
	case ast.Number:
		return len(v)
	}
	return 0
}

// length is how many elements an array, a set or an object has.
func length(t *ast.Term) int {
	switch v := t.Value.(type) {
	case *ast.Array:
		return v.Len()
	case ast.Set:
		return v.Len()
	case ast.Object:
		return v.Len()
	}
	return 0
}

// parts are the letters of a text, or the letters and elements of what holds others.
func parts(t *ast.Term) int {
	if n := text(t); n > 0 {
		return n
	}
	n := SizeOf(Size{maxValues, maxText}, t)
	return n.Values + n.Text
}

// each calls f for the elements of an array or a set until it returns true.
func each(t *ast.Term, f func(*ast.Term) bool) {
	switch v := t.Value.(type) {
	case *ast.Array:
		v.Until(f)
	case ast.Set:
		v.Until(f)
	}
}

// times multiplies numbers that are not negative, up to the largest.
func times(a, b int) int {
	if a != 0 && b > math.MaxInt32*1024/a {
		return math.MaxInt32 * 1024
	}
	return a * b
}
