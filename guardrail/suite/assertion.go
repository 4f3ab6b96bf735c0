package suite

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (p *parser) assertion(n *yaml.Node, at string) Assertion {
	fields := p.fields(n, at, assertionFields)
	a := Assertion{Line: n.Line, lines: map[string]int{}}
	for field, value := range fields {
		a.lines[field] = value.Line
	}
	if v := fields["verdict"]; v != nil {
		if a.Verdict = p.text(v, at+".verdict"); !slices.Contains([]string{Allowed, Warned, Denied}, a.Verdict) {
			p.wrong(v, at+".verdict", "got %q, want %s, %s or %s", a.Verdict, Allowed, Warned, Denied)
		}
	}
	a.Violations = p.amount(fields["violations"], at+".violations")
	a.Guardrail = p.text(fields["guardrail"], at+".guardrail")
	a.Message = p.expressions(fields["message"], at+".message")
	if d := fields["details"]; d != nil {
		a.Details = p.jsonOf(d)
	}
	a.Warnings = p.amount(fields["warnings"], at+".warnings")
	a.Warning = p.expressions(fields["warning"], at+".warning")
	a.Asked = p.yes(fields["asked"], at+".asked")
	a.Fix = p.expressions(fields["fix"], at+".fix")
	if f := fields["fixed"]; f != nil {
		if a.Fixed = p.text(f, at+".fixed") == "true"; !a.Fixed {
			p.wrong(f, at+".fixed", "want true: the advised edit is made, and has to be allowed")
		}
	}
	if len(fields) == 0 {
		p.wrong(n, at, "asserts nothing, so that it cannot fail: want one of %s", strings.Join(assertionFields, ", "))
	}
	if a.chooses() && a.Violations == nil { // chosen violations are meant to be there
		a.Violations = &Amount{Some: true}
	}
	return a
}

// chooses tells whether it is about some violations, and not about all.
func (a *Assertion) chooses() bool {
	return a.Guardrail != "" || len(a.Message) > 0 || a.Details.Said()
}

// expressions are one regular expression, or a list of which each has to match.
func (p *parser) expressions(n *yaml.Node, at string) []*regexp.Regexp {
	if n == nil {
		return nil
	}
	list := []*yaml.Node{n}
	if followed(n).Kind == yaml.SequenceNode {
		list = followed(n).Content
	}
	var out []*regexp.Regexp
	for i, one := range list {
		where := at
		if len(list) > 1 {
			where = fmt.Sprintf("%s[%d]", at, i)
		}
		text := p.text(one, where)
		e, err := regexp.Compile(text)
		switch {
		case text == "":
			p.wrong(one, where, "want a regular expression (RE2): an empty one is in every text")
		case err != nil:
			p.wrong(one, where, "%q is no regular expression (RE2): %s", text, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		default:
			out = append(out, e)
		}
	}
	if len(list) == 0 {
		p.wrong(n, at, "want a regular expression (RE2), or a list of them")
	}
	return out
}
