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

// table writes rows in columns. One that is not wide fits tableWidth: what is too long for
// its column goes on in the next line, the reasons in the last one first, and only a word
// that has no place in its column is cut. It tells whether any was.
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
		narrow(widths)
	}
	var b strings.Builder
	for _, r := range rows {
		cells := make([][]string, len(r))
		height := 0
		for i, cell := range r {
			var clipped bool
			cells[i], clipped = wrapped(cell, widths[i])
			cut = cut || clipped
			height = max(height, len(cells[i]))
		}
		for line := range height {
			var text strings.Builder
			for i := range cells {
				part := ""
				if line < len(cells[i]) {
					part = cells[i][line]
				}
				text.WriteString(part + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(part)+columnGap))
			}
			b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
		}
	}
	_, err = io.WriteString(w, b.String())
	return cut, err
}

// wrapped are the lines of a text of at most so many letters, broken at spaces. A word that
// is longer loses its middle: names begin and end with what tells them apart.
func wrapped(text string, width int) (lines []string, cut bool) {
	if utf8.RuneCountInString(text) <= width {
		return []string{text}, false
	}
	line := ""
	for word := range strings.SplitSeq(text, " ") {
		if runes := []rune(word); len(runes) > width {
			head := (width - 1) / 2
			word, cut = string(runes[:head])+"…"+string(runes[len(runes)-(width-1-head):]), true
		}
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line), cut
}

// narrow takes from the widths what is too much, from the last one first.
func narrow(widths []int) {
	over := columnGap*(len(widths)-1) - tableWidth
	for _, w := range widths {
		over += w
	}
	for i := len(widths) - 1; i >= 0 && over > 0; i-- {
		if give := min(over, widths[i]-least); give > 0 {
			widths[i] -= give
			over -= give
		}
	}
}
