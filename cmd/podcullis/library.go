package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/report"
)

type libraryOptions struct {
	policyDirs []string
	config     string
	outputs    outputs
	rego       bool
}

// guardrails are the commands about the library.
func (p *program) guardrails() *cobra.Command {
	c := &cobra.Command{
		Use:   "guardrails",
		Short: "List the library of guardrails, show one, or begin one of your own",
		Long: `The library holds guardrails in Rego, and presets: entries of a configuration that
are ready made, of a guardrail that says it already. What a configuration names is
always a guardrail; a preset is copied from ` + "`guardrails show`" + `.`,
		Example: `  podcullis guardrails list
  podcullis guardrails show metadata-address-blocked
  podcullis guardrails new team-label --dir guardrails`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.guardrailsList(), p.guardrailsShow(), p.guardrailsNew())
	return c
}

func (p *program) guardrailsList() *cobra.Command {
	o := libraryOptions{outputs: outputs{formats: []string{"text", "json", "yaml", "csv", "markdown", "name"}}}
	c := &cobra.Command{
		Use:   "list",
		Short: "List the guardrails and presets that there are",
		Long: `Lists the guardrails and presets of the library, and those of --policy-dir: the
severity of what they report, what they are about, and the kinds of objects that
they judge. With --config also by which names they are in force.`,
		Example: "  podcullis guardrails list\n  podcullis guardrails list --config guardrails.yaml -o markdown",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := o.outputs.parse(); err != nil {
				return err
			}
			all, err := p.catalog(o.policyDirs)
			if err != nil {
				return err
			}
			var engine *guardrail.Engine
			if o.config != "" {
				if engine, err = p.engine(o.config, o.policyDirs); err != nil {
					return err
				}
			}
			return o.outputs.write(p, libraryWriters(all, engine))
		},
	}
	o.outputs.addFlags(c)
	o.addFlags(c)
	c.Flags().StringVar(&o.config, "config", "", "the configuration `file`: tell by which names each is in force")
	return c
}

func (o *libraryOptions) addFlags(c *cobra.Command) {
	c.Flags().StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
}

// catalog is everything that a configuration can use.
func (p *program) catalog(dirs []string) ([]guardrail.Entry, error) {
	l, err := library(dirs)
	if err != nil {
		return nil, err
	}
	return guardrail.Catalog(l, policies.FS)
}

// inForce are the names of a configuration by which an entry is in force: of a preset, those
// of its entries.
func inForce(e *guardrail.Entry, engine *guardrail.Engine) []string {
	if engine == nil {
		return nil
	}
	names, err := e.Names()
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range engine.Guardrails() {
		use, _ := engine.Use(name)
		for i, of := range names {
			if e.Preset && name == i && use.Of.ID == of || !e.Preset && use.Of == e.Of[0] || !e.Preset && use.Of.ID == e.ID {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

func libraryWriters(all []guardrail.Entry, engine *guardrail.Engine) writers {
	list := report.List{Title: fmt.Sprintf("%d guardrails and presets", len(all)), Names: []string{"name", "severity", "what", "kinds"}}
	if engine != nil {
		list.Names = append(list.Names, "in force")
	}
	for i := range all {
		e := &all[i]
		row := []string{e.ID, e.Severity(), whatOf(e), kindsOf(e)}
		if engine != nil {
			row = append(row, strings.Join(inForce(e, engine), ", "))
		}
		list.Rows = append(list.Rows, row)
	}
	inJSON := func(w io.Writer) error { return libraryJSON(w, all, engine) }
	return writers{
		"text": func(w io.Writer, _ report.Style) error {
			var table bytes.Buffer
			t := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
			for _, row := range append([][]string{list.Names}, list.Rows...) {
				row = append([]string{}, row...)
				if row[0] == "name" {
					for i := range row {
						row[i] = strings.ToUpper(row[i])
					}
				} else {
					row[3] = shortKinds(row[3])
				}
				fmt.Fprintln(t, strings.Join(row, "\t"))
			}
			if err := t.Flush(); err != nil {
				return err
			}
			for line := range strings.Lines(table.String()) {
				fmt.Fprintln(w, strings.TrimRight(line, " \n"))
			}
			_, err := fmt.Fprintln(w, "\n`podcullis guardrails show NAME` shows its parameters, and entries for a configuration.")
			return err
		},
		"json":     func(w io.Writer, _ report.Style) error { return inJSON(w) },
		"yaml":     func(w io.Writer, _ report.Style) error { return asYAML(w, inJSON) },
		"csv":      func(w io.Writer, _ report.Style) error { return list.CSV(w) },
		"markdown": func(w io.Writer, _ report.Style) error { return list.Markdown(w) },
		"name": func(w io.Writer, _ report.Style) error {
			for _, e := range all {
				if _, err := fmt.Fprintln(w, e.ID); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func whatOf(e *guardrail.Entry) string {
	if e.Preset {
		return e.Title + " (preset of " + strings.Join(guardrailIDs(e), ", ") + ")"
	}
	return e.Title
}

func guardrailIDs(e *guardrail.Entry) []string {
	var out []string
	for _, g := range e.Of {
		out = append(out, g.ID)
	}
	return out
}

func kindsOf(e *guardrail.Entry) string {
	if kinds := e.Kinds(); len(kinds) > 0 {
		return strings.Join(kinds, ", ")
	}
	return "every kind"
}

// shortKinds is a list of kinds for a narrow column.
func shortKinds(kinds string) string {
	const letters = 30
	list := strings.Split(kinds, ", ")
	out := list[0]
	for i, k := range list[1:] {
		if len(out)+len(k) > letters {
			return fmt.Sprintf("%s and %d more", out, len(list)-i-1)
		}
		out += ", " + k
	}
	return out
}

type jsonEntry struct {
	Name        string          `json:"name"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Severity    string          `json:"severity"`
	Preset      bool            `json:"preset,omitempty"`
	Guardrails  []string        `json:"guardrails"`
	Kinds       []string        `json:"kinds,omitempty"`
	Controls    []string        `json:"controls,omitempty"`
	Needs       []string        `json:"needs,omitempty"`
	Parameters  []jsonParameter `json:"parameters,omitempty"`
	Example     string          `json:"example"`
	InForce     []string        `json:"inForce,omitempty"`
}

type jsonParameter struct {
	Name        string          `json:"name"`
	Type        string          `json:"type"`
	Description string          `json:"description,omitempty"`
	Required    bool            `json:"required,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
}

func libraryJSON(w io.Writer, all []guardrail.Entry, engine *guardrail.Engine) error {
	out := struct {
		APIVersion string      `json:"apiVersion"`
		Kind       string      `json:"kind"`
		Items      []jsonEntry `json:"items"`
	}{guardrail.ConfigAPIVersion, "Library", []jsonEntry{}}
	for i := range all {
		e := &all[i]
		x := jsonEntry{
			Name: e.ID, Title: e.Title, Description: e.Description, Severity: e.Severity(), Preset: e.Preset, Guardrails: guardrailIDs(e),
			Kinds: e.Kinds(), Controls: e.Controls, Needs: e.Needs, Example: e.Example, InForce: inForce(e, engine),
		}
		if !e.Preset {
			for _, a := range e.Of[0].Parameters() {
				x.Parameters = append(x.Parameters, jsonParameter{a.Name, a.Type, a.Description, a.Required, json.RawMessage(a.Default)})
			}
		}
		out.Items = append(out.Items, x)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

// preset is the preset of a name.
func (p *program) preset(name string, dirs []string) (guardrail.Entry, bool) {
	all, err := p.catalog(dirs)
	if err != nil {
		return guardrail.Entry{}, false
	}
	for _, e := range all {
		if e.ID == name && e.Preset {
			return e, true
		}
	}
	return guardrail.Entry{}, false
}

// presetIn is a preset that a configuration names as if it were a guardrail; empty if none.
func (p *program) presetIn(c *guardrail.Config, l *guardrail.Library) string {
	for _, in := range c.Guardrails {
		if _, ok := l.Guardrail(in.Guardrail); ok {
			continue
		}
		if e, ok := p.preset(in.Guardrail, nil); ok {
			return e.ID
		}
	}
	return ""
}
