package guardrail

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown/print"
)

// Printed is a line that print(...) wrote in a guardrail that was asked about an object.
type Printed struct {
	Guardrail string
	Object    string // as in "Pod shop/web"
	File      string
	Line      int
	Text      string
}

// Printing is a context in which what guardrails of LoadLibraryForAuthors print is told, each
// line once: of one change a guardrail may be asked several times.
func Printing(ctx context.Context, tell func(Printed)) context.Context {
	p := &printer{tell: tell, told: map[Printed]bool{}}
	return Through(ctx, &Lens{Print: p, Asking: p.asking})
}

// printer is for one evaluation after the other.
type printer struct {
	now  Printed
	tell func(Printed)
	told map[Printed]bool
}

func (p *printer) asking(guardrail string, input ast.Value) {
	text := func(path ...string) string {
		ref := make(ast.Ref, 0, len(path))
		for _, name := range path {
			ref = append(ref, ast.StringTerm(name))
		}
		v, err := input.Find(ref)
		s, ok := v.(ast.String)
		if err != nil || !ok {
			return ""
		}
		return string(s)
	}
	object := text("request", "name")
	if ns := text("request", "namespace"); ns != "" && text("request", "kind", "kind") != "Namespace" {
		object = ns + "/" + object
	}
	p.now = Printed{Guardrail: guardrail, Object: text("request", "kind", "kind") + " " + object}
}

// Print implements print.Hook.
func (p *printer) Print(c print.Context, text string) error {
	line := p.now
	line.Text = text
	if c.Location != nil {
		line.File, line.Line = c.Location.File, c.Location.Row
	}
	if !p.told[line] {
		p.told[line] = true
		p.tell(line)
	}
	return nil
}
