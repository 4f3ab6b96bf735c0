package guardrail

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Fault is something wrong in a Rego file: where, and what would be right.
type Fault struct {
	File string
	Line int // 0 is the file as a whole
	Text string
}

func (f Fault) Error() string {
	switch {
	case f.File == "":
		return f.Text
	case f.Line == 0:
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text)
}

// Faults are all that is wrong in some files, one a line.
type Faults []Fault

func (l Faults) Error() string {
	lines := make([]string, 0, len(l))
	for _, f := range l {
		lines = append(lines, f.Error())
	}
	return strings.Join(lines, "\n")
}

// err is the faults in order of their places, each once; nil where there are none.
func (l Faults) err() error {
	if len(l) == 0 {
		return nil
	}
	return l.sorted()
}

func (l Faults) sorted() Faults {
	l = slices.Clone(l)
	slices.SortStableFunc(l, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	var out Faults
	for _, f := range l {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

func faultAt(at *ast.Location, format string, args ...any) Fault {
	f := Fault{Text: fmt.Sprintf(format, args...)}
	if at != nil {
		f.File, f.Line = at.File, at.Row
	}
	return f
}

// Readable is an error of OPA, wherever it was met, as "file:line: what, and what would be
// right", one a line, without OPA's codes.
func Readable(err error) error {
	var list ast.Errors
	var single *ast.Error
	var one *topdown.Error
	switch {
	case errors.As(err, &list):
		return inOurWords(list, nil).err()
	case errors.As(err, &single):
		return inOurWords(ast.Errors{single}, nil).err()
	case errors.As(err, &one):
		return met{faultAt(located(one.Location), "%s", inWords(once(one.Message))), err}
	}
	return err
}

// met is a fault that was met in an evaluation, because of what OPA says.
type met struct {
	Fault
	cause error
}

func (m met) Unwrap() error { return m.cause }

// located is a place that a file has.
func located(at *ast.Location) *ast.Location {
	if at == nil || at.File == "" {
		return nil
	}
	return at
}

// once is a message that names its builtin once: OPA does so, and so do we.
func once(message string) string {
	name, rest, _ := strings.Cut(message, ": ")
	if strings.HasPrefix(rest, name+": ") {
		return rest
	}
	return message
}

// inWords is a message without what only means something in Go.
func inWords(text string) string {
	text, _, _ = strings.Cut(text, "\n\t") // OPA draws the line of the file below some
	return strings.TrimSpace(goWords.Replace(text))
}

// metadataYAML counts lines within the comment; where it is says the place of the error.
var metadataYAML = regexp.MustCompile(`yaml: (unmarshal errors:\s*)?(line \d+: )?`)

// metadataMore is what the YAML parser says of a second value, and of more.
var metadataMore = regexp.MustCompile(`\n\s*line \d+: `)

// yamlWords is an error of the YAML parser about a value of another type.
func yamlWords(text string) string {
	return yamlMistyped.ReplaceAllStringFunc(text, func(found string) string {
		parts := yamlMistyped.FindStringSubmatch(found)
		got := map[string]string{"str": "string", "seq": "list", "map": "object", "int": "number", "float": "number", "bool": "boolean"}[parts[1]]
		if got == "" {
			got = parts[1]
		}
		want := "object"
		switch {
		case strings.HasPrefix(parts[3], "[]"):
			want = "list"
		case parts[3] == "string" || parts[3] == "bool":
			want = parts[3]
		case strings.HasPrefix(parts[3], "int") || strings.HasPrefix(parts[3], "uint") || strings.HasPrefix(parts[3], "float"):
			want = "number"
		}
		return "got " + got + parts[2] + ", want " + want
	})
}

var yamlMistyped = regexp.MustCompile("cannot unmarshal !!(\\w+)( `[^`]*`)? into (\\S+)")

var goWords = strings.NewReplacer(
	"rego_parse_error: ", "", "rego_compile_error: ", "", "rego_type_error: ", "", "rego_unsafe_var_error: ", "", "rego_recursion_error: ", "",
	"eval_builtin_error: ", "", "eval_conflict_error: ", "", "eval_type_error: ", "", "eval_internal_error: ", "",
	"[]interface {}", "list", "map[string]interface {}", "object", "<nil>", "null",
)
