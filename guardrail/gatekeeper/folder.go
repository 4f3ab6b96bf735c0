package gatekeeper

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Set is what some files hold of Gatekeeper.
type Set struct {
	Templates   []*Template
	Constraints []*Constraint
	// Suites are the files that hold tests, which are nobody's business but that of who runs them.
	Suites []*Suite
}

// IsManifest tells whether a file is one that may hold something of Gatekeeper.
func IsManifest(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name))
}

// Read reads the manifests below a folder, as they are named from name on. What is of other
// groups is nobody's business here and left alone. Folders with a leading dot are not looked
// into, nor are those named samples or testdata beside a suite.yaml, which holds tests of what
// is in them.
func Read(name string, folder fs.FS) (*Set, error) {
	set := &Set{}
	var errs []error
	err := fs.WalkDir(folder, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || isSample(folder, p)):
			return fs.SkipDir
		case d.IsDir() || !IsManifest(p):
			return nil
		}
		text, err := fs.ReadFile(folder, p)
		if err != nil {
			return err
		}
		if err := set.Add(path.Join(name, p), text); err != nil {
			errs = append(errs, err)
		}
		return nil
	})
	if err != nil {
		errs = append(errs, fmt.Errorf("read %s: %w", name, err))
	}
	return set, errors.Join(errs...)
}

// Add reads one file.
func (s *Set) Add(file string, text []byte) error {
	if !strings.Contains(string(text), "gatekeeper.sh") && !Misspelt(text) {
		return nil // it may be no YAML at all, such as a template of a chart
	}
	list, err := documents(file, text)
	errs := []error{err}
	for _, d := range list {
		errs = append(errs, s.add(d))
	}
	return errors.Join(errs...)
}

// Misspelt tells a text with a line that looks as if it were to name a group of Gatekeeper, and
// names one that there is not.
func Misspelt(text []byte) bool {
	for _, found := range apiVersions.FindAllSubmatch(text, -1) {
		if near(string(found[1])) != "" {
			return true
		}
	}
	return false
}

var apiVersions = regexp.MustCompile(`["']?apiVersion["']?\s*:\s*["']?([A-Za-z0-9.-]+)/`)

func (s *Set) add(d document) error {
	group, _, _ := strings.Cut(d.text("apiVersion"), "/")
	kind := d.text("kind")
	switch group {
	case templatesGroup:
		if kind != "ConstraintTemplate" {
			return d.errorf([]any{"kind"}, "got %q, want ConstraintTemplate", kind)
		}
		t, err := readTemplate(d)
		if err == nil {
			s.Templates = append(s.Templates, t)
		}
		return err
	case constraintsGroup:
		c, err := readConstraint(d)
		if err == nil {
			s.Constraints = append(s.Constraints, c)
		}
		return err
	case suitesGroup:
		x, err := readSuite(d)
		if err == nil {
			s.Suites = append(s.Suites, x)
		}
		return err
	}
	if own := near(group); own != "" {
		return d.errorf([]any{"apiVersion"}, "got %q: Gatekeeper has no such group; did you mean %s?%s", d.text("apiVersion"), own, groupsText)
	}
	return nil
}

const groupsText = " There are " + templatesGroup + "/v1 for ConstraintTemplates, " + constraintsGroup + "/v1beta1 for constraints and " + suitesGroup + "/v1alpha1 for suites"

// near is the group of Gatekeeper that somebody has meant who wrote one that there is not; empty
// if it looks like none. Nobody but they would have it, so that what is in it would be left out.
func near(group string) string {
	known := []string{
		"config.gatekeeper.sh", "mutations.gatekeeper.sh", "expansion.gatekeeper.sh", "externaldata.gatekeeper.sh", "status.gatekeeper.sh",
		"syncset.gatekeeper.sh", "connection.gatekeeper.sh", "match.gatekeeper.sh", "metadata.gatekeeper.sh",
	}
	read := []string{templatesGroup, constraintsGroup, suitesGroup}
	if slices.Contains(known, group) || slices.Contains(read, group) {
		return ""
	}
	least, at := len(group)+1, ""
	for _, own := range read {
		if off := levenshtein.ComputeDistance(strings.ToLower(group), own); off < least {
			least, at = off, own
		}
	}
	if least <= 4 || strings.HasSuffix(group, "gatekeeper.sh") {
		return at
	}
	return ""
}

// isSample tells a folder with the examples of a suite beside it.
func isSample(folder fs.FS, dir string) bool {
	if name := path.Base(dir); name != "samples" && name != "testdata" {
		return false
	}
	text, err := fs.ReadFile(folder, path.Join(path.Dir(dir), "suite.yaml"))
	return err == nil && strings.Contains(string(text), suitesGroup+"/")
}
