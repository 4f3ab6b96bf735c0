package report

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/policyreport"
)

// Look is what a format may want to know beside the result.
type Look struct {
	Style
	// Version is that of the tool.
	Version string
	// Time is when the result was made, for the formats that carry one.
	Time time.Time
}

// Format is one way to write a result.
type Format struct {
	Name string
	// For says for whom it is, in a few words.
	For   string
	Write func(*Result, io.Writer, Look) error
}

// Formats are all that this package knows, the one for people first. Each is a file.
func Formats() []Format {
	plain := func(write func(*Result, io.Writer) error) func(*Result, io.Writer, Look) error {
		return func(r *Result, w io.Writer, _ Look) error { return write(r, w) }
	}
	return []Format{
		{"text", "people", func(r *Result, w io.Writer, l Look) error { return r.Text(w, l.Style) }},
		{"wide", "people, a line each with severity, place and fingerprint", plain((*Result).Wide)},
		{"json", "programs: a document of kind Findings", plain((*Result).JSON)},
		{"yaml", "the same in YAML", plain((*Result).YAML)},
		{"markdown", "a comment on a pull request, or a step's summary", plain((*Result).Markdown)},
		{"csv", "a spreadsheet", plain((*Result).CSV)},
		{"name", "a shell: the objects that findings are about", plain((*Result).Name)},
		{"sarif", "code scanning (SARIF 2.1.0)", func(r *Result, w io.Writer, l Look) error { return r.SARIF(w, l.Version) }},
		{"junit", "what shows tests", plain((*Result).JUnit)},
		{"github", "GitHub Actions: annotations beside the lines", plain((*Result).GitHub)},
		{"gitlab", "GitLab: a code quality report", plain((*Result).GitLab)},
		{"policyreport", "dashboards: wgpolicyk8s.io/v1alpha2, as YAML for kubectl", func(r *Result, w io.Writer, l Look) error {
			return r.reportsYAML(w, policyreport.PolicyReports(), l)
		}},
		{"openreport", "dashboards: openreports.io/v1alpha1, as YAML for kubectl", func(r *Result, w io.Writer, l Look) error {
			return r.reportsYAML(w, policyreport.OpenReports(), l)
		}},
	}
}

// reportsYAML writes a report for each namespace and one for the cluster, as YAML
// documents that kubectl applies.
func (r *Result) reportsYAML(w io.Writer, api policyreport.API, l Look) error {
	tallies := policyreport.Tallies{}
	for _, e := range r.listed() {
		tallies.Add(e)
	}
	if len(tallies) == 0 {
		tallies[""] = &policyreport.Tally{} // which says that nothing was found
	}
	for _, namespace := range slices.SortedFunc(maps.Keys(tallies), cmp.Compare[string]) {
		o, err := api.Object(namespace, tallies[namespace], func(string) time.Time { return l.Time })
		if err != nil {
			return err
		}
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, "---\n"+string(text)); err != nil {
			return err
		}
	}
	return nil
}
