package guardrail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// readMetadata takes the # METADATA block above the package line
// (https://www.openpolicyagent.org/docs/policy-language#metadata).
func (g *Guardrail) readMetadata(a *ast.Annotations) error {
	if a == nil {
		return fmt.Errorf("guardrail %s has no # METADATA above its package: it needs title, description and custom.severity", g.ID)
	}
	g.Title, g.Description = a.Title, strings.TrimSpace(a.Description)
	if g.Title == "" || g.Description == "" {
		return fmt.Errorf("guardrail %s: # METADATA needs a title and a description", g.ID)
	}
	severity, ok := a.Custom["severity"].(string)
	if !ok || !slices.Contains(severities, severity) {
		return fmt.Errorf("guardrail %s: # METADATA custom.severity: got %s, want one of %s", g.ID, valueText(a.Custom["severity"]), strings.Join(severities, ", "))
	}
	g.Severity = severity
	if kinds, ok := a.Custom["kinds"]; ok {
		list, ok := kinds.([]any)
		if !ok {
			return fmt.Errorf("guardrail %s: # METADATA custom.kinds: got %s, want a list of kinds", g.ID, valueText(kinds))
		}
		for _, k := range list {
			name, ok := k.(string)
			if !ok {
				return fmt.Errorf("guardrail %s: # METADATA custom.kinds: got %s, want the name of a kind, such as Pod", g.ID, valueText(k))
			}
			g.Kinds = append(g.Kinds, name)
		}
	}
	var err error
	if g.Controls, err = stringsOf(a.Custom["controls"]); err != nil {
		return fmt.Errorf("guardrail %s: # METADATA custom.controls: %w", g.ID, err)
	}
	if example, ok := a.Custom["example"]; ok {
		if g.Example, ok = example.(map[string]any); !ok {
			return fmt.Errorf("guardrail %s: # METADATA custom.example: got %v, want parameters", g.ID, example)
		}
	}
	if g.schema, err = newParameterSchema(a.Custom["parameters"]); err != nil {
		return fmt.Errorf("guardrail %s: # METADATA custom.parameters: %w", g.ID, err)
	}
	return nil
}

// stringsOf reads a list of texts; nil is an empty one.
func stringsOf(v any) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("got %v, want a list of texts", v)
	}
	var out []string
	for _, x := range list {
		text, ok := x.(string)
		if !ok || text == "" {
			return nil, fmt.Errorf("got %v in the list, want a text; in YAML, quote what holds a colon", x)
		}
		out = append(out, text)
	}
	return out, nil
}

// readRules finds the rules that report, and refuses what would never report.
func (g *Guardrail) readRules(m *ast.Module) (faults Faults) {
	for _, r := range m.Rules {
		name := string(r.Head.Name)
		if name == "" {
			name = strings.Trim(r.Head.Ref()[0].String(), `"`)
		}
		if !ruleName.MatchString(name) {
			if strings.HasPrefix(name, "deny") || strings.HasPrefix(name, "violation") || strings.HasPrefix(name, "warn") {
				faults = append(faults, faultAt(r.Location, "rule %s would never report: call it deny, violation or warn, or one of them with _something", name))
			}
			continue
		}
		if r.Head.RuleKind() != ast.MultiValue || len(r.Head.Ref()) != 1 {
			faults = append(faults, faultAt(r.Location, "rule %s must be a set of violations: write `%s contains ... if { ... }`", name, name))
			continue
		}
		if !slices.Contains(g.rules, name) {
			g.rules = append(g.rules, name)
		}
	}
	if len(g.rules) == 0 && len(faults) == 0 {
		faults = append(faults, Fault{g.File, 0, fmt.Sprintf("guardrail %s reports nothing: it has no deny, violation or warn rule%s", g.ID, orMeantRule(m))})
	}
	slices.Sort(g.rules)
	return faults
}

// orMeantRule is a rule that may have been meant to report.
func orMeantRule(m *ast.Module) string {
	for _, r := range m.Rules {
		name := strings.Trim(r.Head.Ref()[0].String(), `"`)
		if near := nearest(name, []string{"deny", "violation", "warn"}); len(near) > 0 {
			return fmt.Sprintf("; did you mean %s for %s of line %d?", near[0], name, r.Location.Row)
		}
	}
	return ""
}
