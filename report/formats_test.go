package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/internal/schematest"
	"github.com/podcullis/podcullis/report"
)

var update = flag.Bool("update", false, "rewrite testdata")

func look() report.Look {
	return report.Look{Version: "v1.2.3", Time: time.Unix(1_800_000_000, 0)}
}

// whole has one of everything that a result can tell.
func whole() *report.Result {
	r := resultWithRemarks()
	r.Findings = slices.Clone(r.Findings)
	r.Findings[1].Details = map[string]any{"from": map[string]any{"name": "a", "labels": map[string]any{"x": "y"}}}
	r.Findings[1].About = guardrail.About{Owner: "team-a", Description: "card data", Link: "https://example.com/a"}
	r.Unmodelled = []report.Unmodelled{
		{Ref: cluster.Ref{Namespace: "s", Kind: "CiliumNetworkPolicy.cilium.io", Name: "c"}, Location: report.Location{File: "c.yaml", Line: 1}, Opens: true},
	}
	r.Unjudged = []report.Unjudged{{Ref: cluster.Ref{Kind: "Namespace", Name: "n"}, Location: report.Location{File: "n.yaml", Line: 2}, Why: "no time left"}}
	r.Expired = []guardrail.Exemption{{Name: "moving", Expires: "2026-01-31", Reason: "ticket NET-42"}}
	for _, f := range r.Findings {
		r.Objects = append(r.Objects, report.Object{Ref: f.Object, Location: f.Location})
	}
	return r
}

// hostile has names that want out of wherever they are put.
func hostile() (*report.Result, []string) {
	names := []string{
		"=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1",
		"a`b``c", "`", "@org/team", "#12", "https://evil.example.com", "<img src=x onerror=alert(1)>", "![x](http://evil.example.com/x.png)",
		"[x](javascript:alert(1))", "a|b", `a\|b`, "::error::x", "a\n::add-mask::b", "a\r\n::stop-commands::x", "\x1b[31mred", "##[add-mask]x", "\u202egnp.exe", "a\u2028b",
		"</system-out>]]>", "a,b:c%0A", "a\x00b",
	}
	r := &report.Result{}
	for _, name := range names {
		r.Findings = append(r.Findings, report.Finding{
			Violation: guardrail.Violation{Guardrail: name, Rule: "r", Action: guardrail.Deny, Severity: "high", Message: name + "\n  to fix: " + name, About: guardrail.About{Owner: name}},
			Object:    cluster.Ref{Namespace: "s", Kind: "Pod", Name: name},
			Location:  report.Location{File: name, Line: 1},
		})
		r.Unread = append(r.Unread, report.Unread{Ref: cluster.Ref{Kind: "K", Name: name}, Location: report.Location{File: name}, Why: name})
		r.Objects = append(r.Objects, report.Object{Ref: cluster.Ref{Namespace: "s", Kind: "Pod", Name: name}})
	}
	return r, names
}

// Every format has a file that shows it.
func TestFormatsAsShown(t *testing.T) {
	for _, f := range report.Formats() {
		t.Run(f.Name, func(t *testing.T) {
			file := filepath.Join("testdata", "formats", f.Name)
			got := written(t, func(w io.Writer) error { return f.Write(whole(), w, look()) })
			if again := written(t, func(w io.Writer) error { return f.Write(whole(), w, look()) }); again != got {
				t.Error("the same result gives other bytes")
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What reads each format takes it: whatever the names are, and also when there is nothing.
func TestFormatsAreRead(t *testing.T) {
	bad, names := hostile()
	readers := map[string]func(t *testing.T, text string, r *report.Result){
		"policyreport": nil, "openreport": nil, // TestReportsAreTaken
		"text":     readText,
		"wide":     readWide,
		"json":     readJSON,
		"yaml":     readYAML,
		"markdown": readMarkdown,
		"csv":      readCSV,
		"name":     readName,
		"sarif":    readSARIF,
		"junit":    readJUnit,
		"github":   readGitHub,
		"gitlab":   readGitLab,
	}
	for _, f := range report.Formats() {
		read, ok := readers[f.Name]
		if !ok {
			t.Errorf("nothing reads %s", f.Name)
		}
		if read == nil {
			continue
		}
		for name, r := range map[string]*report.Result{"Whole": whole(), "Hostile": bad, "Nothing": {}} {
			t.Run(f.Name+"/"+name, func(t *testing.T) {
				read(t, written(t, func(w io.Writer) error { return f.Write(r, w, look()) }), r)
			})
		}
	}
	if len(names) < 20 {
		t.Error("too few")
	}
}

// readText takes it as a terminal does, and a runner that looks for commands in it.
func readText(t *testing.T, text string, _ *report.Result) {
	noControl(t, strings.ReplaceAll(text, "\n", ""))
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") {
			t.Errorf("a command: %q", line)
		}
	}
}

func readWide(t *testing.T, text string, r *report.Result) {
	if n := strings.Count(text, "\n"); n != len(r.Entries())+min(1, len(r.Entries())) {
		t.Errorf("%d lines for %d entries:\n%s", n, len(r.Entries()), text)
	}
	noControl(t, strings.ReplaceAll(text, "\n", ""))
}

// readName takes it as a shell does that reads line by line.
func readName(t *testing.T, text string, r *report.Result) {
	got := slices.Collect(strings.Lines(text))
	slices.Sort(got)
	if len(got) > len(r.Findings) || len(got) == 0 && len(r.Findings) > 0 || len(slices.Compact(slices.Clone(got))) < len(got) {
		t.Errorf("%d lines for %d findings, each object once:\n%s", len(got), len(r.Findings), text)
	}
	readText(t, text, r)
}

func noControl(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' {
			t.Errorf("holds %q", r)
		}
	}
}

func readJSON(t *testing.T, text string, _ *report.Result) {
	schematest.Validate(t, schematest.Strict(t, "..", "findings.schema.json"), []byte(text))
}

func readYAML(t *testing.T, text string, r *report.Result) {
	doc, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	readJSON(t, string(doc), r)
}

// readMarkdown takes it as GitHub would: nothing but our own headings, table and code.
func readMarkdown(t *testing.T, markdown string, r *report.Result) {
	source := []byte(markdown)
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	rows := 0
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n.Kind() {
		case ast.KindLink, ast.KindImage, ast.KindAutoLink, ast.KindRawHTML, ast.KindHTMLBlock, ast.KindList, ast.KindBlockquote:
			t.Errorf("a %s: %s", n.Kind(), n.Text(source)) //nolint:staticcheck // enough for a message
		case ast.KindText:
			if n.Parent().Kind() != ast.KindCodeSpan && strings.ContainsAny(string(n.(*ast.Text).Segment.Value(source)), "@<`=!") {
				t.Errorf("not in code: %q", n.(*ast.Text).Segment.Value(source))
			}
		}
		if n.Kind().String() == "TableRow" {
			rows++
			if n.ChildCount() != 6 {
				t.Errorf("a row of %d cells", n.ChildCount())
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Error(err)
	}
	if rows != len(r.Entries()) {
		t.Errorf("%d rows for %d entries", rows, len(r.Entries()))
	}
	noControl(t, strings.ReplaceAll(markdown, "\n", ""))
}

func TestMarkdownFitsIntoAComment(t *testing.T) {
	r := whole()
	for range 3000 {
		r.Findings = append(r.Findings, r.Findings[0])
	}
	got := written(t, r.Markdown)
	if len(got) > 65_000 || !strings.Contains(got, "\nand ") || !strings.Contains(got, "### Podcullis: 3005 findings") {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
}

func readCSV(t *testing.T, text string, r *report.Result) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(r.Entries())+1 {
		t.Errorf("%d rows for %d entries", len(rows), len(r.Entries()))
	}
	for _, row := range rows {
		for _, cell := range row {
			if first := strings.TrimLeft(cell, " \t\r\n\uFFFD"); first != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(first)[0]) {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
}

func readSARIF(t *testing.T, text string, r *report.Result) {
	log, err := sarif.FromString(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Validate(); err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for _, result := range log.Runs[0].Results {
		print := result.PartialFingerprints["podcullis/v2"]
		if print == "" || seen[print] {
			t.Errorf("fingerprint %q", print)
		}
		seen[print] = true
	}
	if len(seen) != len(r.Findings) {
		t.Errorf("%d results for %d findings", len(seen), len(r.Findings))
	}
}

func readJUnit(t *testing.T, text string, r *report.Result) {
	var doc struct {
		XMLName xml.Name `xml:"testsuites"`
		Cases   []struct {
			Failures []string `xml:"failure"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	failures := 0
	for _, c := range doc.Cases {
		failures += len(c.Failures)
	}
	if want := len(r.Unjudged); failures < want {
		t.Errorf("%d failures, want at least %d", failures, want)
	}
}

// command is how the runner of GitHub Actions reads a line: ::name key=value,key=value::data.
var command = regexp.MustCompile(`^::(error|warning|notice) (title=[^,:]*(?:,file=[^,:]*)?(?:,line=\d+)?)::(.*)$`)

func readGitHub(t *testing.T, text string, r *report.Result) {
	n := 0
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if text == "" {
			break
		}
		n++
		if !command.MatchString(line) || strings.ContainsAny(line, "\r") {
			t.Errorf("no command: %q", line)
		}
	}
	if n != len(r.Entries()) {
		t.Errorf("%d commands for %d entries", n, len(r.Entries()))
	}
}

// readGitLab holds it against what GitLab documents of a code quality report.
func readGitLab(t *testing.T, text string, r *report.Result) {
	var all []struct {
		Description string `json:"description"`
		CheckName   string `json:"check_name"`
		Fingerprint string `json:"fingerprint"`
		Severity    string `json:"severity"`
		Location    struct {
			Path  string `json:"path"`
			Lines struct {
				Begin int `json:"begin"`
			} `json:"lines"`
		} `json:"location"`
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, q := range all {
		if q.Description == "" || q.CheckName == "" || q.Location.Lines.Begin < 1 || q.Location.Path == "" || strings.HasPrefix(q.Location.Path, "/") || strings.HasPrefix(q.Location.Path, "./") {
			t.Errorf("incomplete: %+v", q)
		}
		if !slices.Contains([]string{"info", "minor", "major", "critical", "blocker"}, q.Severity) {
			t.Errorf("severity %q", q.Severity)
		}
		if seen[q.Fingerprint] {
			t.Errorf("GitLab shows one of two with the fingerprint %s", q.Fingerprint)
		}
		seen[q.Fingerprint] = true
	}
	if len(all) != len(r.Entries()) || text == "null\n" {
		t.Errorf("%d for %d entries", len(all), len(r.Entries()))
	}
}

// A connection's cells are defused, too.
func TestConnectionsCSVIsDefused(t *testing.T) {
	var b bytes.Buffer
	if err := report.ConnectionsCSV(&b, nil); err != nil || b.String() != "from,to,verdict,protocol,port,endPort,because\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
