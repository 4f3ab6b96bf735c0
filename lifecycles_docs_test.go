package podcullis_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// lifecycles is a table of the stories in test/scenarios/lifecycles: what happens to
// workloads, what it is told, and why.
func lifecycles(t *testing.T) string {
	files, err := filepath.Glob("test/scenarios/lifecycles/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	rows := map[string][]string{}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		story, why, ok := strings.Cut(strings.TrimSpace(string(a.Comment)), "\nWhy: ")
		group, title, isStory := strings.Cut(story, ": ")
		if !ok || !isStory {
			t.Fatalf("%s: the story is %q, want \"Passes: what happens\", and a line \"Why: ...\"", file, a.Comment)
		}
		cells := []string{title, told(group, a.Files[len(a.Files)-1].Data), why}
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(strings.Join(strings.Fields(c), " "), "|", `\|`)
		}
		rows[group] = append(rows[group], "| "+strings.Join(cells, " | ")+" |\n")
	}
	var b strings.Builder
	for _, group := range []string{"Passes", "Refused", "Refused by design", "Has to wait"} {
		fmt.Fprintf(&b, "### %s\n\n| what happens | is told | why |\n|---|---|---|\n%s\n", group, strings.Join(rows[group], ""))
		delete(rows, group)
	}
	if len(rows) > 0 {
		t.Fatalf("stories of groups that the table does not have: %v", rows)
	}
	return b.String()
}

// told is the last answer of a story, in one line: that it is allowed, or the last
// thing that the answer says is wrong.
func told(group string, want []byte) string {
	if group == "Passes" {
		return "allowed" // what is refused beside it are its controls
	}
	last := ""
	for line := range strings.Lines(string(want)) {
		line = strings.TrimSpace(line)
		_, waits, hasToWait := strings.Cut(line, " has to wait: ")
		_, again, mayTryAgain := strings.Cut(line, " could not be judged, so it is refused: ")
		switch {
		case mayTryAgain:
			what, _, _ := strings.Cut(again, "; without it: ")
			return "refused, for now (429): " + what
		case hasToWait:
			return "has to wait: " + waits
		case strings.HasPrefix(line, "["):
			last = "`" + strings.ReplaceAll(line, "`", "'") + "`"
		}
	}
	return last
}
