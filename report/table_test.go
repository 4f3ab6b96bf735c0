package report

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Whatever is in it, a table fits, and no word is lost that has room in its column.
func TestTableFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 4).Draw(t, "columns")
		word := rapid.StringMatching(`[a-zé0-9./-]{1,24}`)
		cell := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(word, 1, 30).Draw(t, "words"), " ")
		})
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, columns, columns), 1, 6).Draw(t, "rows")
		var b strings.Builder
		cut, err := table(&b, rows, false)
		if err != nil || cut {
			t.Fatalf("cut %v, %v", cut, err)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > tableWidth {
				t.Fatalf("%d letters: %s", n, line)
			}
		}
		for _, r := range rows {
			for _, c := range r {
				for w := range strings.FieldsSeq(c) {
					if !strings.Contains(b.String(), w) {
						t.Fatalf("%q is lost in\n%s", w, b.String())
					}
				}
			}
		}
	})
}

func TestTableCutsWhatHasNoPlace(t *testing.T) {
	long := strings.Repeat("a", 80) + "/" + strings.Repeat("b", 80)
	var b strings.Builder
	cut, err := table(&b, [][]string{{"FROM", "TO"}, {long, long}}, false)
	if err != nil || !cut || !strings.Contains(b.String(), "a…b") {
		t.Errorf("cut %v, %v:\n%s", cut, err, b.String())
	}
	b.Reset()
	if cut, err := table(&b, [][]string{{"FROM", "TO"}, {long, long}}, true); err != nil || cut || !strings.Contains(b.String(), long+"   "+long+"\n") {
		t.Errorf("a wide one is cut: %v, %v", cut, err)
	}
}
