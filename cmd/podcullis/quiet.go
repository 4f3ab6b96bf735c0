package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
)

func (p *program) addQuietFlag(c *cobra.Command) {
	c.Flags().BoolVarP(&p.quiet, "quiet", "q", false, "the answer and errors only: no notes and no summary")
}

// maxGuardrailsNamed is how many guardrails a summary names.
const maxGuardrailsNamed = 6

// guardrailsNamed is "2 guardrails (default-deny, only-backend-reaches-db)".
func guardrailsNamed(engine *guardrail.Engine) string {
	names := engine.Guardrails()
	text := number(len(names), "guardrail")
	if n := len(names) - maxGuardrailsNamed; n > 0 {
		names = append(slices.Clone(names[:maxGuardrailsNamed]), fmt.Sprintf("%d more", n))
	}
	return fmt.Sprintf("%s (%s)", text, strings.Join(names, ", "))
}

// failing are the flags that say what makes exit code 1.
type failing struct{ on, severity string }

// The severities, the worst first.
func severities() []string { return []string{"critical", "high", "medium", "low"} }

func (f *failing) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&f.on, "fail-on", "warn", "`deny`, warn or never: findings of which actions make exit code 1; warn is deny and warn")
	c.Flags().StringVar(&f.severity, "min-severity", "low", "low, medium, high or `critical`: findings below it are listed, and do not count for the exit code")
}

func (f *failing) validate() error {
	if err := oneOf("fail-on", f.on, "deny", "warn", "never"); err != nil {
		return err
	}
	return oneOf("min-severity", f.severity, severities()...)
}

// counts tells whether a finding makes exit code 1.
func (f *failing) counts(x report.Finding) bool {
	if slices.Index(severities(), x.Severity) > slices.Index(severities(), f.severity) {
		return false
	}
	return f.on != "never" && (x.Action == guardrail.Deny || f.on == "warn" && x.Action == guardrail.Warn)
}
