package suite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/podcullis/podcullis/guardrail"
)

var (
	stageFields     = []string{"config", "guardrail", "parameters", "action", "exemptions", "cluster", "namespaces", "user", "groups", "time"}
	suiteFields     = append([]string{"apiVersion", "kind", "name", "tests"}, stageFields...)
	operations      = []string{"create", "update", "apply", "delete"}
	testFields      = append(append([]string{"name", "skip", "assertions"}, operations...), stageFields...)
	assertionFields = []string{"verdict", "violations", "guardrail", "message", "details", "warnings", "warning", "asked", "fix", "fixed"}
)

// looksLike is a line by which a file of any name may hold a suite.
var looksLike = regexp.MustCompile(`(?m)^\s*["']?kind["']?\s*:\s*["']?` + Kind + `["']?\s*(#.*)?$`)

// IsNamed tells whether a file is one of suites by its name.
func IsNamed(file string) bool {
	base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".yaml"), ".yml")
	return base != filepath.Base(file) && strings.HasSuffix(base, "_suite")
}

// LooksLike tells whether the text of a file may hold a suite.
func LooksLike(text []byte) bool {
	return looksLike.Match(text) && bytes.Contains(text, []byte("podcullis.io/"))
}

// Parse reads the suites of a file; documents of other kinds are nobody's here. Every error
// names the file and the line, and all that is wrong is told at once.
func Parse(file string, text []byte) ([]Suite, error) {
	p := &parser{reader: reader{file: file}}
	var out []Suite
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntaxError(file, err)
		}
		if len(doc.Content) == 1 && p.isSuite(doc.Content[0]) {
			out = append(out, p.suite(doc.Content[0]))
		}
	}
	p.unique(out)
	slices.SortStableFunc(p.errs, func(a, b located) int { return a.line - b.line })
	var errs []error
	for _, e := range p.errs {
		errs = append(errs, e.err)
	}
	return out, errors.Join(errs...)
}

var syntaxLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

func syntaxError(file string, err error) error {
	if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s:%s: %s", file, m[1], m[2])
	}
	return fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
}

// parser reads suites, and goes on after what is wrong.
type parser struct {
	reader
	errs []located
}

type located struct {
	line int
	err  error
}

func (p *parser) wrong(n *yaml.Node, at, format string, args ...any) {
	if at != "" {
		at += ": "
	}
	p.errs = append(p.errs, located{n.Line, fmt.Errorf("%s:%d: %s%s", p.file, n.Line, at, fmt.Sprintf(format, args...))})
}

// isSuite looks at kind and apiVersion.
func (p *parser) isSuite(n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	var kind, version *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch n.Content[i].Value {
		case "kind":
			kind = n.Content[i+1]
		case "apiVersion":
			version = n.Content[i+1]
		}
	}
	if kind == nil || kind.Value != Kind {
		return false
	}
	switch {
	case version == nil:
		p.wrong(n, "", "apiVersion: missing: want %s", APIVersion)
	case version.Value == APIVersion:
		return true
	case strings.HasPrefix(version.Value, "podcullis.io/"):
		p.wrong(version, "apiVersion", "got %s, want %s", version.Value, APIVersion)
	}
	return false
}

// unique sees that tests can be told from each other.
func (p *parser) unique(suites []Suite) {
	seen := map[[2]string]int{}
	for _, s := range suites {
		for _, t := range s.Tests {
			key := [2]string{s.Name, t.Name}
			if line, ok := seen[key]; ok && t.Name != "" {
				p.wrong(&yaml.Node{Line: t.Line}, "", "there is a test %q of suite %s at line %d already", t.Name, s.Name, line)
			}
			seen[key] = t.Line
		}
	}
}

func (p *parser) suite(n *yaml.Node) Suite {
	fields := p.fields(n, "", suiteFields)
	s := Suite{File: p.file, Line: n.Line, Name: p.text(fields["name"], "name")}
	if s.Name == "" {
		base := path.Base(filepath.ToSlash(p.file))
		s.Name = strings.TrimSuffix(strings.TrimSuffix(base, path.Ext(base)), "_suite")
	}
	shared := p.stage(fields, "", Stage{Line: n.Line})
	tests := p.list(fields["tests"], "tests")
	if len(tests) == 0 {
		p.wrong(n, "tests", "missing: a suite without a test shows nothing")
	}
	for i, one := range tests {
		s.Tests = append(s.Tests, p.test(one, fmt.Sprintf("tests[%d]", i), shared))
	}
	return s
}

func (p *parser) test(n *yaml.Node, at string, shared Stage) Test {
	fields := p.fields(n, at, testFields)
	t := Test{File: p.file, Line: n.Line, Name: strings.TrimSpace(p.text(fields["name"], at+".name")), Stage: p.stage(fields, at+".", shared)}
	if fields["name"] == nil || t.Name == "" || strings.ContainsAny(t.Name, "\r\n") {
		p.wrong(n, at+".name", "missing: want what it shows, in a line")
	}
	if skip := fields["skip"]; skip != nil {
		if t.Skip = p.text(skip, at+".skip"); strings.TrimSpace(t.Skip) == "" || skip.ShortTag() == "!!bool" {
			p.wrong(skip, at+".skip", "want the reason why it is not run")
		}
	}
	for _, operation := range operations {
		if of := fields[operation]; of != nil {
			for _, v := range p.values(of) {
				t.Changes = append(t.Changes, Change{operation, v})
			}
		}
	}
	if len(t.Changes) == 0 {
		p.wrong(n, at, "no change: want create, update, apply or delete with a file or an object")
	}
	if t.Guardrail == "" && !t.Config.Said() && (t.Parameters.Said() || t.Action != "") {
		p.wrong(n, at+".guardrail", "missing: parameters and action are those of one guardrail")
	}
	assertions := p.list(fields["assertions"], at+".assertions")
	if len(assertions) == 0 {
		p.wrong(n, at+".assertions", "missing: a test that cannot fail shows nothing")
	}
	for i, one := range assertions {
		t.Assertions = append(t.Assertions, p.assertion(one, fmt.Sprintf("%s.assertions[%d]", at, i)))
	}
	return t
}

// stage is what some fields say, and else what is shared.
func (p *parser) stage(fields map[string]*yaml.Node, at string, s Stage) Stage {
	if g := fields["guardrail"]; g != nil { // parameters and action are those of another one
		s.Guardrail, s.Line, s.Parameters, s.Action = p.text(g, at+"guardrail"), g.Line, Value{}, ""
		if s.Guardrail == "" {
			p.wrong(g, at+"guardrail", "want a name, such as default-deny")
		}
	}
	if a := fields["action"]; a != nil {
		if s.Action = p.text(a, at+"action"); !slices.Contains([]string{"deny", "warn", "audit"}, s.Action) {
			p.wrong(a, at+"action", "got %q, want deny, warn or audit", s.Action)
		}
	}
	for field, to := range map[string]*Value{"config": &s.Config, "parameters": &s.Parameters, "exemptions": &s.Exemptions, "namespaces": &s.Namespaces} {
		if n := fields[field]; n != nil {
			*to = p.jsonOf(n)
		}
	}
	p.objectOf(fields["parameters"], at+"parameters")
	p.list(fields["exemptions"], at+"exemptions")
	for _, labels := range p.objectOf(fields["namespaces"], at+"namespaces") {
		for key, label := range p.objectOf(labels, at+"namespaces") {
			p.text(label, at+"namespaces: label "+key)
		}
	}
	if n := fields["cluster"]; n != nil {
		s.Cluster = p.values(n)
	}
	if n := fields["user"]; n != nil {
		s.User = p.text(n, at+"user")
	}
	if n := fields["groups"]; n != nil {
		s.Groups = nil
		for i, g := range p.list(n, at+"groups") {
			s.Groups = append(s.Groups, p.text(g, fmt.Sprintf("%sgroups[%d]", at, i)))
		}
		if s.User == "" {
			p.wrong(n, at+"groups", "are those of user, which is missing")
		}
	}
	if n := fields["time"]; n != nil {
		s.Time = p.text(n, at+"time")
		if _, err := time.Parse(time.RFC3339, s.Time); err != nil {
			p.wrong(n, at+"time", "%q is no time such as 2026-11-27T12:00:00Z", s.Time)
		}
	}
	return s
}

// values are the elements of a list, or the one that there is.
func (p *parser) values(n *yaml.Node) []Value {
	n = followed(n)
	if n.Kind != yaml.SequenceNode {
		return []Value{p.jsonOf(n)}
	}
	out := []Value{}
	for _, c := range n.Content {
		out = append(out, p.jsonOf(c))
	}
	return out
}

func (p *parser) jsonOf(n *yaml.Node) Value {
	if p.nodes > maxNodes { // which is told already
		return Value{}
	}
	v, err := p.value(n)
	if err != nil {
		p.errs = append(p.errs, located{n.Line, err})
	}
	return v
}

// followed is what a node stands for.
func followed(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// fields are those of an object that has no others than are known.
func (p *parser) fields(n *yaml.Node, at string, known []string) map[string]*yaml.Node {
	out := p.objectOf(n, at)
	for _, key := range slices.Sorted(maps.Keys(out)) {
		if slices.Contains(known, key) {
			continue
		}
		where := keyOf(n, key)
		if near := guardrail.Near(key, known); len(near) > 0 {
			p.wrong(where, at, "unknown field %q: did you mean %s?", key, near[0])
			continue
		}
		p.wrong(where, at, "unknown field %q; known here: %s", key, strings.Join(known, ", "))
	}
	return out
}
