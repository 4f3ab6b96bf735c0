package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/podcullis/podcullis/guardrail"
)

// maxMarkdown bounds what is written, in bytes: a comment on GitHub takes 65,536 letters.
const maxMarkdown = 60_000

// Markdown writes a comment: a table of findings and remarks, the worst first, and then
// each finding in full. All that comes from manifests is code, where nothing is a link, a
// mention or HTML.
func (r *Result) Markdown(w io.Writer) error {
	entries := worstFirst(r.Entries())
	var b strings.Builder
	fmt.Fprintf(&b, "### Podcullis: %s\n", r.counted())
	if len(entries) > 0 {
		b.WriteString("\n| | severity | guardrail | object | where | what |\n|---|---|---|---|---|---|\n")
	}
	for i, e := range entries {
		where := ""
		if e.Location.File != "" {
			where = cell(e.Location.String())
		}
		row := fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", e.Action, e.Severity, cell(e.ID), cell(e.Subject), where, cell(e.Summary))
		if b.Len()+len(row) > maxMarkdown/2 {
			fmt.Fprintf(&b, "\nand %d more\n", len(entries)-i)
			break
		}
		b.WriteString(row)
	}
	left := 0
	for _, e := range entries {
		if e.Remark() || e.Message == e.Summary {
			continue
		}
		text := fmt.Sprintf("\n%s on %s:\n\n%s", code(e.ID), code(e.Subject), fenced(e.Message))
		if left > 0 || b.Len()+len(text) > maxMarkdown {
			left++
			continue
		}
		b.WriteString(text)
	}
	if left > 0 {
		fmt.Fprintf(&b, "\nand %d more that are too much for a comment\n", left)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// counted is the findings in a few words.
func (r *Result) counted() string {
	count := map[guardrail.Action]int{}
	for _, f := range r.Findings {
		count[f.Action]++
	}
	switch n := len(r.Findings); n {
	case 0:
		return "no violations"
	case 1:
		return fmt.Sprintf("1 finding (%s)", r.Findings[0].Action)
	default:
		return fmt.Sprintf("%d findings (%d deny, %d warn, %d audit)", n, count[guardrail.Deny], count[guardrail.Warn], count[guardrail.AuditOnly])
	}
}

// code is text as a code span: its fence is longer than any run of backticks within.
func code(text string) string {
	text = line(text)
	fence := strings.Repeat("`", longestRun(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return fence + text + fence
}

// cell is a code span within a table, where a bar ends the cell even in code and a
// backslash before it may or may not help: no name of Kubernetes has one.
func cell(text string) string { return code(strings.ReplaceAll(text, "|", "\u00a6")) }

// fenced is text as a block of code.
func fenced(text string) string {
	fence := strings.Repeat("`", max(3, longestRun(text)+1))
	return fence + "text\n" + strings.Join(lines(text), "\n") + "\n" + fence + "\n"
}

func longestRun(text string) int {
	longest, run := 0, 0
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
