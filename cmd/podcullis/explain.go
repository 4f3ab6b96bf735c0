package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
)

type explainOptions struct {
	sources           sources
	network           network
	outputs           outputs
	policyDirs        []string
	expect, namespace string
	fix               bool
}

func (p *program) explain() *cobra.Command {
	o := explainOptions{outputs: outputs{formats: []string{"text", "json", "yaml", "csv", "markdown", "name"}}}
	c := &cobra.Command{
		Use:   "explain -f FILE|DIR|- FROM TO [PORT/PROTO] | GUARDRAIL [--config FILE] [-n NAMESPACE]",
		Short: "Say why a path is open or blocked, or what a guardrail wants",
		Long: `With FROM and TO: the verdict about that path, and the netpols and rules that
decided it, on each side. FROM and TO are namespace/name, namespace/Kind/name, or
a CIDR outside the cluster. The port is 5432, 5432/TCP or 8000-8080/UDP; TCP when
no protocol is given, every port of every protocol when nothing is. The verdict
is open when any of the ports asked about is.

With the name of a guardrail: what it is for and which parameters it takes; for
default-deny also the NetworkPolicy that satisfies it (-o yaml prints only that).
With --config the name can be one that a denial prints: then also whom to ask, what
it does about a violation, and how it is configured.`,
		Example: `  podcullis explain -f deploy/ shop/frontend shop/db 5432/TCP --expect blocked
  podcullis explain -f deploy/ shop/Deployment/frontend 10.0.0.0/8
  podcullis explain default-deny -n shop -o yaml | kubectl apply -f -
  podcullis explain frontend-never-reaches-db --config guardrails.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf("expect", o.expect, "", "open", "blocked"); err != nil {
				return err
			}
			switch {
			case len(args) == 1:
				return p.explainGuardrail(args[0], &o)
			case len(args) == 2 || len(args) == 3:
				return p.explainPath(c.Context(), args, &o)
			}
			return hint(fmt.Errorf("want FROM TO [PORT/PROTO], or a GUARDRAIL; got %s", number(len(args), "argument")), "`%s explain --help` shows examples", p.name)
		},
	}
	o.sources.addFlags(c)
	o.network.addFlags(c)
	c.Flags().Lookup("config").Usage = "the configuration `file` of the guardrails: its podNetwork is used, and GUARDRAIL can be one of its names"
	o.outputs.addFlags(c)
	c.Flags().StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
	c.Flags().StringVarP(&o.namespace, "namespace", "n", "default", "the `namespace` of the NetworkPolicy that explains default-deny")
	c.Flags().BoolVar(&o.fix, "fix", false, "of a path that is not blocked, print also what shuts it at the least cost: one line, and the patch or the NetworkPolicy to apply")
	addExpectFlag(c, &o.expect, "`open` or blocked: exit 1 when the path is the other one (unknown counts as open)")
	return c
}

func (p *program) explainPath(ctx context.Context, args []string, o *explainOptions) error {
	if err := o.outputs.parse(); err != nil {
		return err
	}
	options, err := o.network.options()
	if err != nil {
		return err
	}
	in, err := p.load(ctx, &o.sources)
	if err != nil {
		return err
	}
	explanation, err := explainPath(in.snapshot, args, options)
	if err != nil {
		return err
	}
	var fix fixing
	if o.fix {
		fix = fixOf(ctx, in.snapshot, explanation, options)
	}
	if err := o.outputs.write(p, writers{
		"text": func(w io.Writer, s report.Style) error {
			if err := report.ExplanationText(w, explanation, s); err != nil || !o.fix || explanation.Verdict == connectivity.VerdictBlocked {
				return err
			}
			return fix.text(w)
		},
		"name": func(w io.Writer, _ report.Style) error {
			_, err := fmt.Fprintln(w, explanation.Verdict)
			return err
		},
		"csv":      func(w io.Writer, _ report.Style) error { return report.ConnectionsCSV(w, explanation.Connections) },
		"markdown": func(w io.Writer, _ report.Style) error { return report.ExplanationMarkdown(w, explanation) },
		"json":     func(w io.Writer, _ report.Style) error { return fix.json(w, explanation, false) },
		"yaml":     func(w io.Writer, _ report.Style) error { return fix.json(w, explanation, true) },
	}); err != nil {
		return err
	}
	return p.expected(o.expect, explanation.Verdict)
}

func (p *program) explainGuardrail(id string, o *explainOptions) error {
	o.outputs.formats = []string{"text", "yaml"}
	if err := o.outputs.parse(); err != nil {
		return err
	}
	if o.expect != "" {
		return hint(errors.New("--expect is about a path, and a guardrail is none"), "give FROM and TO")
	}
	if wrong := validation.IsDNS1123Label(o.namespace); len(wrong) > 0 {
		return hint(fmt.Errorf("--namespace %q: %s", o.namespace, wrong[0]), "name a namespace, such as -n shop")
	}
	use, g, err := p.namedGuardrail(id, o)
	if err != nil {
		if preset, ok := p.preset(id, o.policyDirs); ok {
			return o.outputs.write(p, writers{
				"text": func(w io.Writer, _ report.Style) error { return entryText(w, &preset) },
				"yaml": func(w io.Writer, _ report.Style) error { return entriesYAML(w, []guardrail.Entry{preset}) },
			})
		}
		return err
	}
	manifest := ""
	if g.ID == "default-deny" {
		manifest = fmt.Sprintf(defaultDeny, o.namespace)
	}
	return o.outputs.write(p, writers{
		"text": func(w io.Writer, _ report.Style) error {
			if use != nil {
				if err := describeUse(w, use); err != nil {
					return err
				}
			}
			return describe(w, g, manifest)
		},
		"yaml": func(w io.Writer, _ report.Style) error {
			if manifest == "" {
				return hint(fmt.Errorf("no single manifest satisfies %s", id), "leave out -o yaml")
			}
			_, err := fmt.Fprint(w, manifest)
			return err
		},
	})
}

const defaultDeny = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: %s
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
`

func describe(w io.Writer, g *guardrail.Guardrail, manifest string) error {
	kinds := strings.Join(g.Kinds, ", ")
	if kinds == "" {
		kinds = "every kind"
	}
	fmt.Fprintf(w, "%s (%s)\n\n%s\n\nSeverity: %s\nJudges: %s\n", g.Title, g.ID, g.Description, g.Severity, kinds)
	if parameters := g.Parameters(); len(parameters) > 0 {
		fmt.Fprintln(w)
		t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
		fmt.Fprintln(t, "PARAMETER\tTYPE\tDEFAULT\tDESCRIPTION")
		for _, x := range parameters {
			value := x.Default
			if x.Required {
				value = "required"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", x.Name, x.Type, value, x.Description)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if manifest != "" {
		fmt.Fprintf(w, "\nThis NetworkPolicy satisfies it; then allow what is needed, DNS first:\n\n%s", manifest)
	}
	return nil
}
