package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shown is how much of a format docs/formats.md shows: so many lines from the first one
// that holds a text.
var shown = []struct {
	format, language, from string
	lines                  int
}{
	{"text", "text", "", 20},
	{"wide", "text", "", 20},
	{"json", "json", "", 22},
	{"yaml", "yaml", "", 14},
	{"markdown", "markdown", "", 20},
	{"csv", "text", "", 5},
	{"name", "text", "", 5},
	{"sarif", "json", `"partialFingerprints"`, 4},
	{"junit", "xml", "", 8},
	{"github", "text", "", 8},
	{"gitlab", "json", "", 20},
	{"policyreport", "yaml", "", 34},
	{"openreport", "yaml", "", 14},
}

var seconds = regexp.MustCompile(`seconds: \d+`)

// TestGeneratedFormats writes the formats of a real run into docs/formats.md.
func TestGeneratedFormats(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	page := read(t, filepath.Join("docs", "formats.md"))
	before, rest, found := strings.Cut(page, "<!-- generated: formats -->\n")
	_, after, ends := strings.Cut(rest, "<!-- end: formats -->")
	if !found || !ends {
		t.Fatal("docs/formats.md has no place for the formats")
	}
	var made strings.Builder
	told := map[string]bool{"html": true}
	for _, s := range shown {
		told[s.format] = true
		code, stdout, stderr := command(t, "check", "-f", "examples/shop", "-f", "examples/allow-all.yaml", "--config", "examples/shop-guardrails.yaml", "-o", s.format)
		if code != violations {
			t.Fatalf("%s: exit code %d: %s", s.format, code, stderr)
		}
		fence := "```"
		if s.format == "markdown" {
			fence = "````"
		}
		made.WriteString("\n`" + s.format + "`:\n\n" + fence + s.language + "\n" + part(seconds.ReplaceAllString(stdout, "seconds: 1800000000"), s.from, s.lines) + fence + "\n")
	}
	for _, format := range findingFormats() {
		if !told[format] || !strings.Contains(before, "`"+format+"`") {
			t.Errorf("docs/formats.md does not show %s", format)
		}
	}
	want := before + "<!-- generated: formats -->\n" + made.String() + "\n<!-- end: formats -->" + after
	if *update {
		if err := os.WriteFile(filepath.Join("docs", "formats.md"), []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("docs/formats.md is out of date; run make docs (-want +got):\n%s", diff)
	}
}

// part is some lines of a text.
func part(text, from string, n int) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n")+"\n", "\n")
	lines = lines[:len(lines)-1]
	first := 0
	for i, line := range lines {
		if from != "" && strings.Contains(line, from) {
			first = i
			break
		}
	}
	out := ""
	if first > 0 {
		out = "…\n"
	}
	if first+n >= len(lines) {
		return out + strings.Join(lines[first:], "")
	}
	return out + strings.Join(lines[first:first+n], "") + "…\n"
}
