package gatekeeper

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Point is where a Constraint is enforced.
type Point string

// The points, by the names that Gatekeeper has for them.
const (
	AtAdmission Point = "validation.gatekeeper.sh"
	AtAudit     Point = "audit.gatekeeper.sh"
	AtGator     Point = "gator.gatekeeper.sh"
	atVAP       Point = "vap.k8s.io"
	everywhere  Point = "*"
)

// Points are those at which something here asks.
func Points() []Point { return []Point{AtAdmission, AtAudit, AtGator} }

// The actions, from the hardest.
const (
	Deny   = "deny"
	Warn   = "warn"
	Dryrun = "dryrun"
)

var actions = []string{Deny, Warn, Dryrun}

// Constraint is one use of a Template.
type Constraint struct {
	Kind, Name string
	File       string
	Line       int
	Match      Match
	Parameters map[string]any
	// Actions are what it does about a violation, by where it is asked; nothing is done where
	// none is named.
	Actions map[Point]string

	document document
}

// Title is the name by which everything here knows it.
func (c *Constraint) Title() string { return c.Kind + "/" + c.Name }

// Errorf is an error about a field of the constraint.
func (c *Constraint) Errorf(path []any, format string, args ...any) error {
	return c.document.errorf(path, format, args...)
}

// Place is "file:line" of the constraint.
func (c *Constraint) Place() string { return fmt.Sprintf("%s:%d", c.File, c.Line) }

func readConstraint(d document) (*Constraint, error) {
	version := strings.TrimPrefix(d.text("apiVersion"), constraintsGroup+"/")
	if !slices.Contains([]string{"v1beta1", "v1alpha1"}, version) {
		return nil, d.errorf([]any{"apiVersion"}, "got %q, want %s/v1beta1", d.text("apiVersion"), constraintsGroup)
	}
	c := &Constraint{Kind: d.text("kind"), Name: d.text("metadata", "name"), File: d.file, Line: d.line(), document: d, Actions: map[Point]string{}}
	errs := slices.Concat(
		d.known(nil, "apiVersion", "kind", "metadata", "spec", "status"),
		d.known([]any{"spec"}, "enforcementAction", "scopedEnforcementActions", "match", "parameters"),
	)
	if c.Name == "" {
		errs = append(errs, d.errorf([]any{"metadata", "name"}, "missing: it is shown in messages"))
	}
	switch p := d.get("spec", "parameters").(type) {
	case nil:
		c.Parameters = map[string]any{}
	case map[string]any:
		c.Parameters = p
	default:
		errs = append(errs, d.errorf([]any{"spec", "parameters"}, "want an object"))
	}
	errs = append(errs, c.readActions()...)
	var wrong []error
	c.Match, wrong = readMatch(&d)
	return c, errors.Join(append(errs, wrong...)...)
}

func (c *Constraint) readActions() []error {
	d := &c.document
	at := []any{"spec", "enforcementAction"}
	scoped := d.get("spec", "scopedEnforcementActions")
	action := d.text(at...)
	if err := d.isString(at...); err != nil {
		return []error{err}
	}
	switch {
	case action == "scoped":
		return c.readScoped()
	case scoped != nil:
		return []error{d.errorf(at, "got %q, want scoped: scopedEnforcementActions are not read with anything else", action)}
	case action == "":
		action = Deny
	case !slices.Contains(actions, action):
		return []error{d.errorf(at, "got %q, want deny, warn, dryrun or scoped", action)}
	}
	for _, p := range Points() {
		c.Actions[p] = action
	}
	return nil
}

func (c *Constraint) readScoped() []error {
	d := &c.document
	at := []any{"spec", "scopedEnforcementActions"}
	list, ok := d.get(at...).([]any)
	if !ok || len(list) == 0 {
		return []error{d.errorf(at, "missing: with enforcementAction scoped they say what is done where, as [{action: deny, enforcementPoints: [{name: %s}]}]", AtAdmission)}
	}
	var errs []error
	for i := range list {
		under := func(steps ...any) []any { return append([]any{"spec", "scopedEnforcementActions", i}, steps...) }
		errs = append(errs, d.known(under(), "action", "enforcementPoints")...)
		action := d.text(under("action")...)
		if !slices.Contains(actions, action) {
			errs = append(errs, d.errorf(under("action"), "got %q, want deny, warn or dryrun", action))
			continue
		}
		points, _ := d.get(under("enforcementPoints")...).([]any)
		if len(points) == 0 {
			errs = append(errs, d.errorf(under("enforcementPoints"), "missing: want a list such as [{name: %s}]", AtAdmission))
		}
		for n := range points {
			errs = append(errs, d.known(under("enforcementPoints", n), "name")...)
			switch p := Point(d.text(under("enforcementPoints", n, "name")...)); p {
			case everywhere:
				for _, p := range Points() {
					c.act(p, action)
				}
			case AtAdmission, AtAudit, AtGator:
				c.act(p, action)
			case atVAP: // the API server's own, which is not here
			default:
				errs = append(errs, d.errorf(under("enforcementPoints", n, "name"), "got %q, want %s, %s, %s or *", p, AtAdmission, AtAudit, AtGator))
			}
		}
	}
	if len(errs) == 0 && len(c.Actions) == 0 {
		errs = append(errs, d.errorf(at, "nothing here enforces it: want one of the points %s, %s, %s or *", AtAdmission, AtAudit, AtGator))
	}
	return errs
}

// act keeps the hardest action of a point.
func (c *Constraint) act(p Point, action string) {
	was := slices.Index(actions, c.Actions[p])
	if now := slices.Index(actions, action); was < 0 || now < was {
		c.Actions[p] = action
	}
}
