package gatekeeper

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The API groups of Gatekeeper that are read.
const (
	templatesGroup   = "templates.gatekeeper.sh"
	constraintsGroup = "constraints.gatekeeper.sh"
	suitesGroup      = "test.gatekeeper.sh"
	target           = "admission.k8s.gatekeeper.sh"
)

// Template is a ConstraintTemplate: Rego that reports violations, for Constraints of its kind.
type Template struct {
	// Kind is that of its Constraints.
	Kind string
	// Title and Description are its annotations, if it has any.
	Title, Description string
	// File and Line are where it stands.
	File string
	Line int
	// Main has the rule violation. Libs are what it imports.
	Main Source
	Libs []Source
	// Schema is the openAPIV3Schema of the parameters, nil if there is none.
	Schema map[string]any
	// Legacy is set where the schema is not structural: what it does not name is then let pass.
	Legacy bool
	// Operations are those that it judges; empty is all.
	Operations []string

	document document
}

// Source is Rego in a template. Text begins with as many empty lines as the file has before it,
// so that a line of it is that of the file.
type Source struct {
	File    string
	Line    int
	Text    string
	Version string // v0 or v1
}

// Errorf is an error about a field of the template.
func (t *Template) Errorf(path []any, format string, args ...any) error {
	return t.document.errorf(path, format, args...)
}

// Place is "file:line" of the template.
func (t *Template) Place() string { return fmt.Sprintf("%s:%d", t.File, t.Line) }

func readTemplate(d document) (*Template, error) {
	version := strings.TrimPrefix(d.text("apiVersion"), templatesGroup+"/")
	if !slices.Contains([]string{"v1", "v1beta1", "v1alpha1"}, version) {
		return nil, d.errorf([]any{"apiVersion"}, "got %q, want %[2]s/v1, %[2]s/v1beta1 or %[2]s/v1alpha1", d.text("apiVersion"), templatesGroup)
	}
	t := &Template{File: d.file, Line: d.line(), document: d, Kind: d.text("spec", "crd", "spec", "names", "kind")}
	t.Title = d.text("metadata", "annotations", "metadata.gatekeeper.sh/title")
	t.Description = strings.TrimSpace(d.text("metadata", "annotations", "description"))
	errs := slices.Concat(
		d.known(nil, "apiVersion", "kind", "metadata", "spec", "status"),
		d.known([]any{"spec"}, "crd", "targets"),
		d.known([]any{"spec", "crd"}, "spec"),
		d.known([]any{"spec", "crd", "spec"}, "names", "validation"),
		d.known([]any{"spec", "crd", "spec", "names"}, "kind", "shortNames"),
		d.known([]any{"spec", "crd", "spec", "validation"}, "openAPIV3Schema", "legacySchema"),
	)
	name := d.text("metadata", "name")
	switch {
	case t.Kind == "":
		errs = append(errs, d.errorf([]any{"spec", "crd", "spec", "names", "kind"}, "missing: the kind of its constraints"))
	case name != strings.ToLower(t.Kind):
		errs = append(errs, d.errorf([]any{"metadata", "name"}, "got %q, want %q: the kind of its constraints in small letters", name, strings.ToLower(t.Kind)))
	}
	errs = append(errs, t.readSchema(version)...)
	errs = append(errs, t.readTargets()...)
	return t, errors.Join(errs...)
}

func (t *Template) readSchema(version string) []error {
	d := &t.document
	t.Legacy = version != "v1" // which is their default
	switch legacy := d.get("spec", "crd", "spec", "validation", "legacySchema").(type) {
	case nil:
	case bool:
		t.Legacy = legacy
	default:
		return []error{d.errorf([]any{"spec", "crd", "spec", "validation", "legacySchema"}, "got %v, want true or false", legacy)}
	}
	at := []any{"spec", "crd", "spec", "validation", "openAPIV3Schema"}
	switch schema := d.get(at...).(type) {
	case nil:
	case map[string]any:
		t.Schema = schema
	default:
		return []error{d.errorf(at, "want a schema, of type object")}
	}
	return nil
}

func (t *Template) readTargets() []error {
	d := &t.document
	list, _ := d.get("spec", "targets").([]any)
	if len(list) != 1 {
		return []error{d.errorf([]any{"spec", "targets"}, "has %d targets, want one: %s", len(list), target)}
	}
	at := []any{"spec", "targets", 0}
	errs := d.known(at, "target", "rego", "libs", "code", "operations")
	if name := d.text("spec", "targets", 0, "target"); name != target {
		errs = append(errs, d.errorf(append(at, "target"), "got %q, want %s", name, target))
	}
	var err error
	if t.Operations, err = d.strings("spec", "targets", 0, "operations"); err != nil {
		errs = append(errs, err)
	}
	for i, o := range t.Operations {
		if !slices.Contains([]string{"*", "CREATE", "UPDATE", "DELETE", "CONNECT"}, o) {
			errs = append(errs, d.errorf(append(slices.Clone(at), "operations", i), "got %q, want CREATE, UPDATE, DELETE, CONNECT or *", o))
		}
	}
	return append(errs, t.readCode(at)...)
}

// readCode finds the Rego: in code, or where it stood before there was code.
func (t *Template) readCode(at []any) []error {
	d := &t.document
	under := func(steps ...any) []any { return append(slices.Clone(at), steps...) }
	code, _ := d.get(under("code")...).([]any)
	old := d.get(under("rego")...) != nil
	var engines []string
	var errs []error
	found := false
	for i := range code {
		engine := d.text(under("code", i, "engine")...)
		engines = append(engines, engine)
		errs = append(errs, d.known(under("code", i), "engine", "source")...)
		if engine != "Rego" {
			continue
		}
		if found = true; old {
			errs = append(errs, d.errorf(under("code", i), "the Rego is in rego, too: it is read from one place"))
		}
		source := under("code", i, "source")
		errs = append(errs, d.known(source, "rego", "version", "libs")...)
		errs = append(errs, t.readSource(source)...)
	}
	switch {
	case old:
		return append(errs, t.readSource(at)...)
	case !found && len(engines) > 0:
		return append(errs, d.errorf(under("code"), "%s has no Rego, but code for %s, which is not evaluated here: give it code of engine Rego, too, "+
			"or leave it to a ValidatingAdmissionPolicy", t.Kind, strings.Join(engines, ", ")))
	case !found:
		return append(errs, d.errorf(at, "no Rego: want it in rego, or in code with engine: Rego"))
	}
	return errs
}

// readSource reads rego, libs and, of code, version.
func (t *Template) readSource(at []any) []error {
	d := &t.document
	under := func(steps ...any) []any { return append(slices.Clone(at), steps...) }
	version := "v0"
	if v := d.get(under("version")...); v != nil && v != "" {
		if version, _ = v.(string); version != "v0" && version != "v1" {
			return []error{d.errorf(under("version"), "got %v, want v0 or v1: the version of Rego", v)}
		}
	}
	var err error
	if t.Main, err = d.source(version, under("rego")...); err != nil {
		return []error{err}
	}
	libs, err := d.strings(under("libs")...)
	if err != nil {
		return []error{err}
	}
	for i := range libs {
		lib, err := d.source(version, under("libs", i)...)
		if err != nil {
			return []error{err}
		}
		t.Libs = append(t.Libs, lib)
	}
	return nil
}

// source is a text of Rego in its place.
func (d *document) source(version string, path ...any) (Source, error) {
	text, ok := d.get(path...).(string)
	if !ok || strings.TrimSpace(text) == "" {
		return Source{}, d.errorf(path, "want Rego")
	}
	line := d.line(path...)
	before := line - 1
	if node := d.at(path...); node != nil && node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		before++ // it begins below the | or >
	}
	return Source{File: d.file, Line: line, Text: strings.Repeat("\n", before) + text, Version: version}, nil
}
