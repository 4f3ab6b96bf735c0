package report

import (
	"fmt"
	"io"
	"strings"
)

// List is rows of cells under their names, for answers that have no table of their own.
type List struct {
	// Title is the heading in Markdown.
	Title string
	Names []string
	Rows  [][]string
}

// CSV writes the rows as comma-separated values under a row of names.
func (l List) CSV(w io.Writer) error {
	t := newSheet(w, l.Names...)
	for _, r := range l.Rows {
		t.row(r...)
	}
	return t.end()
}

// Markdown writes a table for a comment on a pull request. All cells are code: names come
// from whoever wrote the manifests.
func (l List) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n", l.Title)
	if len(l.Rows) > 0 {
		b.WriteString("\n| " + strings.Join(l.Names, " | ") + " |\n" + strings.Repeat("|---", len(l.Names)) + "|\n")
	}
	for i, r := range l.Rows {
		var row strings.Builder
		row.WriteString("|")
		for _, c := range r {
			row.WriteString(" " + cell(strings.Join(strings.Fields(strings.Join(lines(c), " ")), " ")) + " |")
		}
		if b.Len()+row.Len() > maxMarkdown {
			fmt.Fprintf(&b, "\nand %d more that are too much for a comment\n", len(l.Rows)-i)
			break
		}
		b.WriteString(row.String() + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Name writes the objects that findings are about, a line each as KIND/NAMESPACE/NAME, or
// KIND/NAME where there is no namespace.
func (r *Result) Name(w io.Writer) error {
	var b strings.Builder
	seen := map[string]bool{}
	for _, f := range r.Findings {
		parts := []string{f.Object.Kind, f.Object.Namespace, f.Object.Name}
		if f.Object.Namespace == "" {
			parts = []string{f.Object.Kind, f.Object.Name}
		}
		if name := line(strings.Join(parts, "/")); !seen[name] {
			seen[name] = true
			b.WriteString(name + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// list are the tests, one a row.
func (t *Tests) list() List {
	l := List{Title: number(len(t.Items), "test"), Names: []string{"outcome", "test", "file", "line", "what"}}
	if failed := len(t.Items) - t.count("pass"); failed > 0 {
		l.Title += fmt.Sprintf(", of which %d did not pass", failed)
	}
	for _, x := range t.Items {
		what := x.why()
		for _, text := range []string{x.Why, x.Error} {
			if text != "" {
				what = append(what, text)
			}
		}
		l.Rows = append(l.Rows, []string{x.Outcome, x.Package + "." + x.Name, x.File, fmt.Sprint(x.Line), strings.Join(what, "\n")})
	}
	return l
}

// CSV writes a row for each test.
func (t *Tests) CSV(w io.Writer) error { return t.list().CSV(w) }

// Markdown writes the tests as a table.
func (t *Tests) Markdown(w io.Writer) error { return t.list().Markdown(w) }

// Name writes the names of the tests that did not pass, as --run takes them.
func (t *Tests) Name(w io.Writer) error {
	var b strings.Builder
	for _, x := range t.Items {
		if x.Outcome != "pass" {
			b.WriteString(line(x.Package+"."+x.Name) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
