package guardrail

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Entry is something that a configuration can use: a guardrail of a library, or a preset,
// which is entries of a configuration that are ready made.
type Entry struct {
	ID          string
	Title       string
	Description string
	Controls    []string
	// Of are the guardrails in Rego that it uses: itself, or those of the preset's entries.
	Of []*Guardrail
	// Preset is set for one of the presets.
	Preset bool
	// Needs says what to fill in with your own, a line each.
	Needs []string
	// kinds are those that the entries of a preset match, if they say so.
	kinds []string
	// Example is a list of entries for a configuration, in YAML.
	Example string
}

// Severity is the highest of the guardrails that it uses.
func (e *Entry) Severity() string {
	for _, s := range severities {
		if slices.ContainsFunc(e.Of, func(g *Guardrail) bool { return g.Severity == s }) {
			return s
		}
	}
	return ""
}

// Kinds are those of the guardrails that it uses, as far as its entries match them; empty
// means all.
func (e *Entry) Kinds() []string {
	if len(e.kinds) > 0 {
		return e.kinds
	}
	var out []string
	for _, g := range e.Of {
		if len(g.Kinds) == 0 {
			return nil
		}
		for _, k := range g.Kinds {
			if !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

// Catalog lists the guardrails of a library and the presets in a folder presets, by ID.
func Catalog(l *Library, files fs.FS) ([]Entry, error) {
	var out []Entry
	for _, g := range l.Guardrails() {
		example, err := g.example()
		if err != nil {
			return nil, err
		}
		out = append(out, Entry{ID: g.ID, Title: g.Title, Description: g.Description, Controls: g.Controls, Of: []*Guardrail{g}, Example: example})
	}
	presets, err := fs.Glob(files, "presets/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, file := range presets {
		e, err := readPreset(l, files, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if slices.ContainsFunc(out, func(o Entry) bool { return o.ID == e.ID }) {
			return nil, fmt.Errorf("%s: there is another %s", file, e.ID)
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

func readPreset(l *Library, files fs.FS, file string) (Entry, error) {
	text, err := fs.ReadFile(files, file)
	if err != nil {
		return Entry{}, err
	}
	var p struct {
		Title       string   `yaml:"title"`
		Description string   `yaml:"description"`
		Controls    []string `yaml:"controls"`
		Needs       []string `yaml:"needs"`
		Entries     string   `yaml:"entries"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		return Entry{}, err
	}
	if p.Title == "" || p.Description == "" || p.Entries == "" {
		return Entry{}, errors.New("want title, description and entries")
	}
	out := Entry{
		ID: strings.TrimSuffix(path.Base(file), ".yaml"), Title: p.Title, Description: strings.TrimSpace(p.Description),
		Controls: p.Controls, Preset: true, Needs: p.Needs, Example: p.Entries,
	}
	var entries []Instance
	if err := yaml.Unmarshal([]byte(p.Entries), &entries); err != nil {
		return Entry{}, err
	}
	for i, in := range entries {
		if i == 0 || len(in.Match.Kinds) > 0 && len(out.kinds) > 0 {
			out.kinds = append(out.kinds, in.Match.Kinds...)
		} else {
			out.kinds = nil
		}
		g, ok := l.Guardrail(in.Guardrail)
		if !ok {
			return Entry{}, fmt.Errorf("no guardrail %q", in.Guardrail)
		}
		if !slices.Contains(out.Of, g) {
			out.Of = append(out.Of, g)
		}
	}
	return out, nil
}

// example is an entry of a configuration, with parameters where it needs some.
func (g *Guardrail) example() (string, error) {
	type entry struct {
		Name       string         `yaml:"name"`
		Guardrail  string         `yaml:"guardrail"`
		Action     Action         `yaml:"action"`
		Parameters map[string]any `yaml:"parameters,omitempty"`
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := e.Encode([]entry{{g.ID, g.ID, Deny, g.Example}})
	return b.String(), err
}

// Names are the names of the entries of the example, with the guardrail of each.
func (e *Entry) Names() (map[string]string, error) {
	var entries []Instance
	if err := yaml.Unmarshal([]byte(e.Example), &entries); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, in := range entries {
		out[in.Name] = in.Guardrail
	}
	return out, nil
}
