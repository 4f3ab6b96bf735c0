package regolint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/guardrail"
)

// Finding is something that a guardrail does not do as its author means, or may not.
type Finding struct {
	// Check is which one found it.
	Check string
	File  string
	Line  int
	// Text says what is wrong, Fix what would be right.
	Text string
	Fix  string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s; to fix: %s", f.File, f.Line, f.Check, f.Text, f.Fix)
}

// Check is something that is looked for.
type Check struct {
	ID    string
	About string
}

// Checks are all that is looked for, by ID.
func Checks() []Check {
	return []Check{
		{"dead-condition", "a condition that no object of the guardrail's kinds can meet"},
		{"ignored-nothing", "a lint:ignore without a reason, of an unknown check, or where nothing is found"},
		{"incomplete-metadata", "a # METADATA without kinds, or a parameter without a description"},
		{"no-details", "a violation without details: what reads JSON, pictures and the fix have nothing to go by"},
		{"strict", "what OPA's strict mode refuses: unused variables, arguments and imports, and the like"},
		{"undeclared-parameter", "a parameter that is read and that # METADATA does not declare"},
		{"undefined-under-not", "a `not` around something that is undefined where a field is missing, so that the rule reports nothing"},
		{"unnamed-object", "a message that is the same whatever is judged"},
		{"unread-parameter", "a parameter that # METADATA declares and nothing reads"},
		{"unused-rule", "a rule of a guardrail that neither reports nor is used by one that does"},
	}
}

// Options say what is linted.
type Options struct {
	// Needed are the sources that what is linted may refer to.
	Needed []guardrail.Source
	// Linted are those that are linted.
	Linted []guardrail.Source
	// Files are those of which findings are told, by name; empty is all of Linted.
	Files []string
}

// Result is what was linted and found, in order of places.
type Result struct {
	Files    []string
	Findings []Finding
}

// Lint looks at guardrails. An error is what does not compile.
func Lint(o Options) (*Result, error) {
	library, err := guardrail.LoadLibraryForAuthors(slices.Concat(o.Needed, o.Linted)...)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	texts := map[string]string{}
	for _, s := range o.Linted {
		err := s.Each(func(file string, text []byte) {
			if !strings.HasSuffix(file, "_test.rego") && (len(o.Files) == 0 || slices.Contains(o.Files, file)) {
				texts[file] = string(text)
				r.Files = append(r.Files, file)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(r.Files)
	var all []Finding
	for _, f := range library.StrictFaults() {
		all = append(all, Finding{"strict", f.File, f.Line, f.Text, strictFix(f.Text)})
	}
	written, compiled := library.Modules()
	calls := callsOf(compiled)
	for _, file := range r.Files {
		l := &linter{library: library, file: file, written: written[file], compiled: compiled[file], all: compiled, others: written, calls: calls}
		for _, g := range library.Guardrails() {
			if g.File == file {
				l.guardrail = g
			}
		}
		l.lint()
		all = append(all, l.found...)
	}
	for _, file := range r.Files {
		var of []Finding
		for _, f := range all {
			if f.File == file {
				of = append(of, f)
			}
		}
		r.Findings = append(r.Findings, ignore(file, texts[file], of)...)
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Check, b.Check), cmp.Compare(a.Text, b.Text))
	})
	r.Findings = slices.Compact(r.Findings)
	return r, nil
}

func strictFix(text string) string {
	switch {
	case strings.Contains(text, "unused"):
		return "leave it out, or call it _"
	case strings.Contains(text, "shadow"):
		return "call it something else"
	}
	return "see `opa check --strict`"
}

// linter looks at one file.
type linter struct {
	library           *guardrail.Library
	guardrail         *guardrail.Guardrail // nil for what guardrails share
	file              string
	written, compiled *ast.Module
	all, others       map[string]*ast.Module // compiled, and written
	calls             map[string][]call
	found             []Finding
}

func (l *linter) report(check string, at *ast.Location, fix, format string, args ...any) {
	f := Finding{Check: check, File: l.file, Text: fmt.Sprintf(format, args...), Fix: fix}
	if at != nil {
		f.Line = at.Row
	}
	l.found = append(l.found, f)
}

func (l *linter) lint() {
	l.undefinedUnderNot()
	if l.guardrail == nil {
		return
	}
	l.metadata()
	l.parameters()
	l.conditions()
	l.rules()
	l.messages()
}

// metadata looks for what # METADATA leaves out; what it must have the loader insists on.
func (l *linter) metadata() {
	at := l.written.Package.Location
	if len(l.guardrail.Kinds) == 0 {
		l.report("incomplete-metadata", at, "custom.kinds: [Pod, ...]", "# METADATA names no kinds, so that it is asked about every object")
	}
	for _, p := range l.guardrail.Parameters() {
		if strings.TrimSpace(p.Description) == "" {
			l.report("incomplete-metadata", at, "a description, which `podcullis explain "+l.guardrail.ID+"` shows", "parameter %s has no description", p.Name)
		}
	}
}

// rules looks for rules that nobody needs.
func (l *linter) rules() {
	used := map[string]bool{}
	for _, m := range l.all {
		ast.WalkRefs(m, func(ref ast.Ref) bool {
			used[plain(ref)] = true
			for n := 3; n < len(ref); n++ {
				used[plain(ref[:n])] = true
			}
			return false
		})
	}
	seen := map[string]bool{}
	for _, r := range l.written.Rules {
		name := strings.Trim(r.Head.Ref()[0].String(), `"`)
		if reports(name) || seen[name] || used[plain(r.Ref().GroundPrefix())] {
			continue
		}
		seen[name] = true
		fix := "leave it out"
		if near := guardrail.Near(name, []string{"deny", "violation", "warn"}); len(near) > 0 {
			fix = "did you mean " + near[0] + "?"
		} else if r.Head.RuleKind() == ast.MultiValue {
			fix = "what reports is called deny, violation or warn, or one of them with _something"
		}
		l.report("unused-rule", r.Location, fix, "rule %s neither reports nor is used", name)
	}
}

func plain(ref ast.Ref) string {
	var parts []string
	for _, t := range ref {
		parts = append(parts, strings.Trim(t.Value.String(), `"`))
	}
	return strings.Join(parts, ".")
}

// reports tells whether rules of a name report.
func reports(name string) bool {
	for _, word := range []string{"deny", "violation", "warn"} {
		if name == word || strings.HasPrefix(name, word+"_") {
			return true
		}
	}
	return false
}
