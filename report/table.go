package report

import (
	"io"
	"strings"
	"unicode/utf8"
)

// tableWidth is how wide a table for people is, which a terminal shows and a line of a
// log.
const tableWidth = 120

// columnGap is the space between columns.
const columnGap = 3

// least is how narrow a column gets before the next one has to give way.
const least = 24

// table writes rows in columns. One that is not wide fits tableWidth: its last column,
// where the reasons stand, goes on in the next line, and the columns before it are cut only
// if that is not enough. It tells whether anything was cut.
func table(w io.Writer, rows [][]string, wide bool) (cut bool, err error) {
	if len(rows) == 0 {
		return false, nil
	}
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	if !wide {
		cut = narrow(widths)
	}
	var b strings.Builder
	last := len(widths) - 1
	indent := 0
	for _, width := range widths[:last] {
		indent += width + columnGap
	}
	for _, r := range rows {
		for i, cell := range r[:last] {
			cell = clipped(cell, widths[i])
			b.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+columnGap))
		}
		for i, part := range wrapped(r[last], widths[last]) {
			if i > 0 {
				b.WriteString(strings.Repeat(" ", indent))
			}
			b.WriteString(part + "\n")
		}
	}
	_, err = io.WriteString(w, b.String())
	return cut, err
}

// wrapped are the lines of a text of at most so many letters, broken at spaces; a word that
// is longer stays whole.
func wrapped(text string, width int) []string {
	var out []string
	line := ""
	for word := range strings.SplitSeq(text, " ") {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			out, line = append(out, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(out, line)
}

// narrow takes from the widths what is too much, and tells whether any but the last gave.
func narrow(widths []int) (cut bool) {
	over := columnGap*(len(widths)-1) - tableWidth
	for _, w := range widths {
		over += w
	}
	for i := len(widths) - 1; i >= 0 && over > 0; i-- {
		if give := min(over, widths[i]-least); give > 0 {
			widths[i] -= give
			over -= give
			cut = cut || i < len(widths)-1
		}
	}
	return cut
}

// clipped is a text in so many columns, without its middle: names begin and end with what
// tells them apart.
func clipped(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	head := (width - 1) / 2
	return string(runes[:head]) + "…" + string(runes[len(runes)-(width-1-head):])
}
