package report

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
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

// Names come from files that anybody may have written: they stay in their cells.
func TestNamesStayInTheirCells(t *testing.T) {
	evil := "a`|<img src=x>\n| b"
	w := func(name string) connectivity.Peer {
		return connectivity.Peer{Workload: &cluster.Workload{Ref: cluster.Ref{Namespace: evil, Kind: "Pod", Name: name + evil}}}
	}
	var connections, differences strings.Builder
	c := connectivity.Connection{From: w("x"), To: w("y"), Ports: connectivity.AllPorts()}
	if err := (Connections{List: []connectivity.Connection{c}}).Markdown(&connections); err != nil {
		t.Fatal(err)
	}
	d := connectivity.Difference{From: w("x"), To: w("y"), After: connectivity.AllPorts(), Causes: []connectivity.Cause{{Object: cluster.Ref{Kind: "NetworkPolicy", Namespace: evil, Name: evil}, Fate: connectivity.Created}}}
	if err := DiffMarkdown(&differences, []connectivity.Difference{d}); err != nil {
		t.Fatal(err)
	}
	for columns, text := range map[int]string{4: connections.String(), 6: differences.String()} {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		last := lines[len(lines)-1]
		if len(lines) != 5 || strings.Count(last, "|") != columns+1 || strings.Count(last, "`") != 4 || strings.Contains(last, "<") {
			t.Errorf("%d columns:\n%s", columns, text)
		}
	}
}
