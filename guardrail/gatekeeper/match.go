package gatekeeper

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Match says which objects a Constraint is about. What is left out matches everything.
type Match struct {
	Kinds                          []KindMatch
	Scope                          string // Cluster, Namespaced or empty
	Namespaces, ExcludedNamespaces []string
	Name                           string

	labels, namespaces labels.Selector // nil if not given
	generated          bool            // only what Gatekeeper's expansion makes
}

// KindMatch is one entry of kinds. Empty lists, and those with a *, match all.
type KindMatch struct {
	APIGroups []string `json:"apiGroups"`
	Kinds     []string `json:"kinds"`
}

// Object is what a match is asked about.
type Object struct {
	schema.GroupKind
	Name, GenerateName string
	Namespace          string // empty for one of the cluster
	Labels             map[string]string
}

// wildcard is what Gatekeeper takes for a name with * at an end, or at both.
var wildcard = regexp.MustCompile(`^\*?[-:.a-z0-9]*\*?$`)

func readMatch(d *document) (Match, []error) {
	at := []any{"spec", "match"}
	var m Match
	errs := d.known(at, "source", "kinds", "scope", "namespaces", "excludedNamespaces", "labelSelector", "namespaceSelector", "name")
	if d.get(at...) == nil || len(errs) > 0 {
		return m, errs
	}
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, list := range []struct {
		field string
		into  *[]string
	}{{"namespaces", &m.Namespaces}, {"excludedNamespaces", &m.ExcludedNamespaces}} {
		var err error
		*list.into, err = d.strings("spec", "match", list.field)
		note(err)
		for i, name := range *list.into {
			if !wildcard.MatchString(name) {
				note(d.errorf([]any{"spec", "match", list.field, i}, "%q is no name of a namespace: a * may stand at its beginning or its end", name))
			}
		}
	}
	m.Name = d.text("spec", "match", "name")
	note(d.isString("spec", "match", "name"))
	if m.Scope = d.text("spec", "match", "scope"); !slices.Contains([]string{"", "*", "Cluster", "Namespaced"}, m.Scope) {
		note(d.errorf([]any{"spec", "match", "scope"}, "got %q, want Cluster, Namespaced or *", m.Scope))
	}
	switch source := d.text("spec", "match", "source"); source {
	case "", "All", "Original":
	case "Generated":
		m.generated = true
	default:
		note(d.errorf([]any{"spec", "match", "source"}, "got %q, want All, Original or Generated", source))
	}
	errs = append(errs, m.readKinds(d)...)
	var err error
	m.labels, err = d.selector("labelSelector")
	note(err)
	m.namespaces, err = d.selector("namespaceSelector")
	note(err)
	return m, errs
}

func (m *Match) readKinds(d *document) []error {
	list, ok := d.get("spec", "match", "kinds").([]any)
	if v := d.get("spec", "match", "kinds"); v != nil && !ok {
		return []error{d.errorf([]any{"spec", "match", "kinds"}, "want a list such as [{apiGroups: [\"\"], kinds: [Pod]}]")}
	}
	var errs []error
	for i := range list {
		at := []any{"spec", "match", "kinds", i}
		if wrong := d.known(at, "apiGroups", "kinds"); len(wrong) > 0 {
			errs = append(errs, wrong...)
			continue
		}
		groups, err := d.strings(append(slices.Clone(at), "apiGroups")...)
		kinds, err2 := d.strings(append(slices.Clone(at), "kinds")...)
		if err := errors.Join(err, err2); err != nil {
			errs = append(errs, err)
		}
		m.Kinds = append(m.Kinds, KindMatch{groups, kinds})
	}
	return errs
}

func (d *document) selector(field string) (labels.Selector, error) {
	at := []any{"spec", "match", field}
	if d.get(at...) == nil {
		return nil, nil
	}
	var s metav1.LabelSelector
	if err := d.as(&s, at...); err != nil {
		return nil, err
	}
	selector, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		return nil, d.errorf(at, "%v", err)
	}
	return selector, nil
}

// AboutKind tells whether objects of a kind may be matched.
func (m *Match) AboutKind(k schema.GroupKind) bool {
	return !m.generated && (len(m.Kinds) == 0 || slices.ContainsFunc(m.Kinds, func(e KindMatch) bool {
		return names(e.Kinds, k.Kind) && names(e.APIGroups, k.Group)
	}))
}

// Named are the kinds that are matched, one by one; all is set where it may be any, so that
// there is no such list.
func (m *Match) Named() (list []schema.GroupKind, all bool) {
	if len(m.Kinds) == 0 {
		return nil, true
	}
	for _, e := range m.Kinds {
		if len(e.Kinds) == 0 || slices.Contains(e.Kinds, "*") || len(e.APIGroups) == 0 || slices.Contains(e.APIGroups, "*") {
			return nil, true
		}
		for _, g := range e.APIGroups {
			for _, k := range e.Kinds {
				list = append(list, schema.GroupKind{Group: g, Kind: k})
			}
		}
	}
	return list, false
}

func names(list []string, name string) bool {
	return len(list) == 0 || slices.Contains(list, "*") || slices.Contains(list, name)
}

// Matches tells whether an object is matched. namespace are the labels of its namespace, or
// nil where these are not known.
func (m *Match) Matches(o Object, namespace func() (labels.Set, error)) (bool, error) {
	isNamespace := o.GroupKind == schema.GroupKind{Kind: "Namespace"}
	place := o.Namespace
	if isNamespace {
		place = o.Name
	}
	switch {
	case !m.AboutKind(o.GroupKind):
		return false, nil
	case m.Scope == "Cluster" && !isNamespace && o.Namespace != "", m.Scope == "Namespaced" && (isNamespace || o.Namespace == ""):
		return false, nil
	case place != "" && len(m.Namespaces) > 0 && !anyFits(m.Namespaces, place):
		return false, nil
	case place != "" && anyFits(m.ExcludedNamespaces, place):
		return false, nil
	case m.labels != nil && !m.labels.Matches(labels.Set(o.Labels)):
		return false, nil
	case m.Name != "" && !fits(m.Name, o.Name) && !fitsPrefix(m.Name, o.GenerateName):
		return false, nil
	case m.namespaces == nil:
		return true, nil
	case isNamespace:
		return m.namespaces.Matches(labels.Set(o.Labels)), nil
	case o.Namespace == "":
		return true, nil // of the cluster: a namespaceSelector says nothing about it
	}
	of, err := namespace()
	if err != nil {
		return false, fmt.Errorf("namespace %s: its labels cannot be matched: %w", o.Namespace, err)
	}
	return m.namespaces.Matches(of), nil
}

func anyFits(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return fits(p, name) })
}

func fits(pattern, name string) bool {
	inner := strings.TrimSuffix(strings.TrimPrefix(pattern, "*"), "*")
	begins, ends := strings.HasPrefix(pattern, "*"), strings.HasSuffix(pattern, "*")
	switch {
	case begins && ends:
		return strings.Contains(name, inner)
	case begins:
		return strings.HasSuffix(name, inner)
	case ends:
		return strings.HasPrefix(name, inner)
	}
	return pattern == name
}

// fitsPrefix is fits for a generateName, of which the end is not there yet.
func fitsPrefix(pattern, prefix string) bool {
	return prefix != "" && strings.HasSuffix(pattern, "*") && fits(pattern, prefix)
}
