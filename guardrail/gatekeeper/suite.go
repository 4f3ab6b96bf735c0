package gatekeeper

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Suite is a test.gatekeeper.sh/v1alpha1 Suite: what templates say of examples.
type Suite struct {
	Name  string
	File  string
	Skip  bool
	Tests []SuiteTest
}

// SuiteTest is a template and a constraint, and cases of them. Files are named from the
// suite's folder on.
type SuiteTest struct {
	Name                            string
	Line                            int
	Template, Constraint, Expansion string
	// Invalid is set where the constraint must be refused by the template's schema.
	Invalid bool
	Skip    bool
	Cases   []SuiteCase
}

// SuiteCase is an object, the cluster that it comes into, and what must be said of it.
type SuiteCase struct {
	Name       string
	Line       int
	Object     string
	Inventory  []string
	Assertions []Assertion
	Skip       bool
}

// Assertion is about the violations whose messages match.
type Assertion struct {
	Line    int
	Message *regexp.Regexp // nil is any
	// Least and Most are how many there must be; a Most below 0 is no bound.
	Least, Most int
}

// Holds says why an assertion does not hold for some messages; empty if it does.
func (a *Assertion) Holds(messages []string) string {
	n := 0
	for _, m := range messages {
		if a.Message == nil || a.Message.MatchString(m) {
			n++
		}
	}
	if n >= a.Least && (a.Most < 0 || n <= a.Most) {
		return ""
	}
	what := ""
	if a.Message != nil {
		what = fmt.Sprintf(" with a message that matches %q", a.Message)
	}
	want := fmt.Sprint(a.Least)
	switch {
	case a.Most < 0:
		want = fmt.Sprintf("at least %d", a.Least)
	case a.Most == 0:
		want = "none"
	}
	return fmt.Sprintf("%d violations%s, want %s", n, what, want)
}

func readSuite(d document) (*Suite, error) {
	if got := d.text("apiVersion"); got != suitesGroup+"/v1alpha1" {
		return nil, d.errorf([]any{"apiVersion"}, "got %q, want %s/v1alpha1", got, suitesGroup)
	}
	if got := d.text("kind"); got != "Suite" {
		return nil, d.errorf([]any{"kind"}, "got %q, want Suite", got)
	}
	s := &Suite{Name: d.text("metadata", "name"), File: d.file}
	if s.Name == "" {
		s.Name = strings.TrimSuffix(path.Base(d.file), path.Ext(d.file))
	}
	s.Skip, _ = d.get("skip").(bool)
	errs := d.known(nil, "apiVersion", "kind", "metadata", "tests", "skip")
	list, _ := d.get("tests").([]any)
	for i := range list {
		at := []any{"tests", i}
		errs = append(errs, d.known(at, "name", "template", "constraint", "expansion", "cases", "invalid", "skip")...)
		t := SuiteTest{
			Name: d.text("tests", i, "name"), Line: d.line(at...), Template: d.text("tests", i, "template"),
			Constraint: d.text("tests", i, "constraint"), Expansion: d.text("tests", i, "expansion"),
		}
		t.Invalid, _ = d.get("tests", i, "invalid").(bool)
		t.Skip, _ = d.get("tests", i, "skip").(bool)
		switch {
		case t.Template == "":
			errs = append(errs, d.errorf(append(at, "template"), "missing: the file with the ConstraintTemplate"))
		case t.Constraint == "":
			errs = append(errs, d.errorf(append(at, "constraint"), "missing: the file with the constraint"))
		}
		cases, _ := d.get("tests", i, "cases").([]any)
		if t.Invalid && len(cases) > 0 {
			errs = append(errs, d.errorf([]any{"tests", i, "invalid"}, "a constraint that is refused can have no cases"))
		}
		for n := range cases {
			c, wrong := readCase(&d, "tests", i, "cases", n)
			errs = append(errs, wrong...)
			t.Cases = append(t.Cases, c)
		}
		s.Tests = append(s.Tests, t)
	}
	return s, errors.Join(errs...)
}

func readCase(d *document, at ...any) (SuiteCase, []error) {
	under := func(steps ...any) []any { return append(slices.Clone(at), steps...) }
	c := SuiteCase{Name: d.text(under("name")...), Line: d.line(at...), Object: d.text(under("object")...)}
	c.Skip, _ = d.get(under("skip")...).(bool)
	errs := d.known(at, "name", "object", "inventory", "assertions", "skip")
	if c.Object == "" {
		errs = append(errs, d.errorf(under("object"), "missing: the file with the object that is judged"))
	}
	var err error
	if c.Inventory, err = d.strings(under("inventory")...); err != nil {
		errs = append(errs, err)
	}
	list, _ := d.get(under("assertions")...).([]any)
	if len(list) == 0 {
		errs = append(errs, d.errorf(under("assertions"), "missing: a case without one says nothing"))
	}
	for i := range list {
		a, err := readAssertion(d, under("assertions", i)...)
		errs = append(errs, err...)
		c.Assertions = append(c.Assertions, a)
	}
	return c, errs
}

func readAssertion(d *document, at ...any) (Assertion, []error) {
	under := func(steps ...any) []any { return append(slices.Clone(at), steps...) }
	a := Assertion{Line: d.line(at...), Least: 1, Most: -1}
	errs := d.known(at, "violations", "message")
	if text := d.text(under("message")...); text != "" {
		var err error
		if a.Message, err = regexp.Compile(text); err != nil {
			errs = append(errs, d.errorf(under("message"), "%v", err))
		}
	}
	switch v := d.get(under("violations")...); fmt.Sprint(v) {
	case "<nil>", "yes", "true":
	case "no", "false":
		a.Least, a.Most = 0, 0
	default:
		n := -1
		if _, err := fmt.Sscanf(fmt.Sprint(v), "%d", &n); err != nil || n < 0 || fmt.Sprint(n) != fmt.Sprint(v) {
			errs = append(errs, d.errorf(under("violations"), "got %v, want yes, no or how many", v))
		}
		a.Least, a.Most = n, n
	}
	return a, errs
}
