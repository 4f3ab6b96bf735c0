package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/report"
)

func (p *program) guardrailsShow() *cobra.Command {
	o := libraryOptions{outputs: outputs{formats: []string{"text", "json", "yaml", "markdown"}}}
	c := &cobra.Command{
		Use:   "show [NAME...]",
		Short: "Show guardrails and presets of the library",
		Long: `Shows what a guardrail or preset is about, its parameters with their types and
defaults, and entries for a configuration that load as they are. Without NAME it
shows all of them. -o yaml prints the entries alone, under guardrails of a
configuration; --rego prints the Rego.`,
		Example: `  podcullis guardrails show quarantine-isolates
  podcullis guardrails show metadata-address-blocked -o yaml > guardrails.yaml
  podcullis guardrails show default-deny --rego`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := o.outputs.parse(); err != nil {
				return err
			}
			all, err := p.catalog(o.policyDirs)
			if err != nil {
				return err
			}
			chosen, err := entriesNamed(all, args)
			if err != nil {
				return err
			}
			if o.rego {
				return p.showRego(chosen)
			}
			return o.outputs.write(p, writers{
				"text":     func(w io.Writer, _ report.Style) error { return eachEntry(chosen, w, entryText) },
				"json":     func(w io.Writer, _ report.Style) error { return libraryJSON(w, chosen, nil) },
				"markdown": func(w io.Writer, _ report.Style) error { return eachEntry(chosen, w, entryMarkdown) },
				"yaml":     func(w io.Writer, _ report.Style) error { return entriesYAML(w, chosen) },
			})
		},
	}
	o.outputs.addFlags(c)
	o.addFlags(c)
	c.Flags().BoolVar(&o.rego, "rego", false, "print the Rego of the guardrails, instead")
	return c
}

func entriesNamed(all []guardrail.Entry, names []string) ([]guardrail.Entry, error) {
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, e := range all {
		known = append(known, e.ID)
	}
	var out []guardrail.Entry
	for _, name := range names {
		at := len(out)
		for _, e := range all {
			if e.ID == name {
				out = append(out, e)
			}
		}
		if len(out) > at {
			continue
		}
		wrong := fmt.Errorf("no guardrail or preset %q; there are: %s", name, strings.Join(known, ", "))
		if near := nearest(name, known); len(near) > 0 {
			return nil, hint(wrong, "did you mean %s?", near[0])
		}
		return nil, hint(wrong, "guardrails of your own need --policy-dir")
	}
	return out, nil
}

func eachEntry(list []guardrail.Entry, w io.Writer, write func(io.Writer, *guardrail.Entry) error) error {
	for i := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := write(w, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

func entryText(w io.Writer, e *guardrail.Entry) error {
	if e.Preset {
		fmt.Fprintf(w, "%s (%s)\n\n%s\n\nSeverity: %s\nJudges: %s\nPreset of: %s\n", e.Title, e.ID, e.Description, e.Severity(), kindsOf(e), strings.Join(guardrailIDs(e), ", "))
	} else if err := describe(w, e.Of[0], ""); err != nil {
		return err
	}
	if len(e.Controls) > 0 {
		fmt.Fprintf(w, "\nControls: %s\n", strings.Join(e.Controls, "; "))
	}
	if len(e.Needs) > 0 {
		fmt.Fprintf(w, "\nFill in:\n  %s\n", strings.Join(e.Needs, "\n  "))
	}
	_, err := fmt.Fprintf(w, "\nIn a configuration, under guardrails:\n\n%s", e.Example)
	return err
}

func entryMarkdown(w io.Writer, e *guardrail.Entry) error {
	fmt.Fprintf(w, "### %s\n\n%s. Severity %s", e.ID, e.Title, e.Severity())
	if e.Preset {
		fmt.Fprintf(w, "; a preset of %s", strings.Join(guardrailIDs(e), ", "))
	}
	fmt.Fprintf(w, "; judges %s.\n\n%s\n", kindsOf(e), e.Description)
	if len(e.Controls) > 0 {
		fmt.Fprintf(w, "\nControls: %s.\n", strings.Join(e.Controls, "; "))
	}
	if !e.Preset && len(e.Of[0].Parameters()) > 0 {
		fmt.Fprint(w, "\n| parameter | type | default | |\n|---|---|---|---|\n")
		for _, a := range e.Of[0].Parameters() {
			value := "`" + a.Default + "`"
			switch {
			case a.Required:
				value = "required"
			case a.Default == "":
				value = ""
			}
			fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", a.Name, inCell(a.Type), inCell(value), inCell(a.Description))
		}
	}
	if len(e.Needs) > 0 {
		fmt.Fprint(w, "\nFill in:\n\n")
		for _, n := range e.Needs {
			fmt.Fprintf(w, "- %s\n", n)
		}
	}
	_, err := fmt.Fprintf(w, "\n```yaml\n%s```\n", e.Example)
	return err
}

func inCell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

// entriesYAML is a configuration with the entries, each by its comment.
func entriesYAML(w io.Writer, list []guardrail.Entry) error {
	fmt.Fprintf(w, "apiVersion: %s\nkind: %s\nguardrails:\n", guardrail.ConfigAPIVersion, guardrail.ConfigKind)
	for _, e := range list {
		fmt.Fprintf(w, "# %s\n", e.Title)
		for _, n := range e.Needs {
			fmt.Fprintf(w, "# Fill in %s\n", n)
		}
		if _, err := io.WriteString(w, e.Example); err != nil {
			return err
		}
	}
	return nil
}

// showRego prints the text of guardrails, each once.
func (p *program) showRego(list []guardrail.Entry) error {
	shown := map[string]bool{}
	for _, e := range list {
		for _, g := range e.Of {
			if shown[g.ID] {
				continue
			}
			shown[g.ID] = true
			text, err := regoOf(g)
			if err != nil {
				return err
			}
			if _, err := p.stdout.Write(text); err != nil {
				return err
			}
		}
	}
	return nil
}

func regoOf(g *guardrail.Guardrail) ([]byte, error) {
	if name, ok := strings.CutPrefix(g.File, guardrail.Embedded+"/"); ok {
		return fs.ReadFile(policies.FS, name)
	}
	return os.ReadFile(g.File)
}
