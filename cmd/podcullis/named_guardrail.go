package main

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podcullis/podcullis/guardrail"
)

// namedGuardrail finds a guardrail by the name that denials print, which is the
// configuration's, or by its own. use is nil for the latter.
func (p *program) namedGuardrail(name string, o *explainOptions) (use *guardrail.Use, g *guardrail.Guardrail, err error) {
	var configured []string
	if o.network.config != "" {
		engine, err := p.engine(o.network.config, o.policyDirs)
		if err != nil {
			return nil, nil, err
		}
		if use, ok := engine.Use(name); ok {
			return &use, use.Of, nil
		}
		configured = engine.Guardrails()
	}
	l, err := library(o.policyDirs)
	if err != nil {
		return nil, nil, err
	}
	if g, ok := l.Guardrail(name); ok {
		return nil, g, nil
	}
	var there []string
	for _, g := range l.Guardrails() {
		there = append(there, g.ID)
	}
	what := fmt.Errorf("no guardrail %q; there are: %s", name, strings.Join(there, ", "))
	if len(configured) > 0 {
		what = fmt.Errorf("no guardrail %q; %s names: %s; there are: %s", name, o.network.config, strings.Join(configured, ", "), strings.Join(there, ", "))
	}
	return nil, nil, hint(what, "to explain a path give FROM and TO; a name that a denial prints is explained with --config, guardrails of your own need --policy-dir")
}

// describeUse says how a guardrail is configured.
func describeUse(w io.Writer, use *guardrail.Use) error {
	fmt.Fprintf(w, "%s\n\n", use.Name)
	for _, field := range [][2]string{{"What for", use.Instance.Description}, {"Ask", use.Instance.Owner}, {"More", use.Instance.Link}} {
		if field[1] != "" {
			fmt.Fprintf(w, "%s: %s\n", field[0], field[1])
		}
	}
	fmt.Fprintf(w, "Action: %s: %s\nGuardrail: %s\n", use.Action, actionWords[use.Action], use.Of.ID)
	parts := map[string]any{}
	if len(use.Parameters) > 0 {
		parts["parameters"] = use.Parameters
	}
	if match := use.Match.Fields(); len(match) > 0 {
		parts["match"] = match
	}
	if len(parts) > 0 {
		e := yaml.NewEncoder(w)
		e.SetIndent(2)
		if err := e.Encode(parts); err != nil {
			return err
		}
	}
	for _, x := range use.Exemptions {
		until := ""
		if x.Expires != "" {
			until = ", until " + x.Expires
		}
		fmt.Fprintf(w, "Exemption %s%s: %s\n", x.Name, until, x.Reason)
	}
	_, err := fmt.Fprint(w, "\n")
	return err
}

var actionWords = map[guardrail.Action]string{
	guardrail.Deny:      "a violation refuses the change",
	guardrail.Warn:      "a violation lets the change pass with a warning",
	guardrail.AuditOnly: "a violation lets the change pass, and is logged and counted",
}
