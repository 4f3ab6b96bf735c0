package regolint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/guardrail"
)

var ignoring = regexp.MustCompile(`#\s*lint:ignore\b[ \t]*([A-Za-z-]*)[ \t]*(.*)$`)

// ignore leaves out what a comment says to ignore, `# lint:ignore CHECK REASON` in the same
// line or above it; and tells of comments that ignore nothing.
func ignore(file, text string, found []Finding) []Finding {
	lines := strings.Split(text, "\n")
	var left, wrong []Finding
	ignored := make([]bool, len(found))
	for n, line := range lines {
		parts := ignoring.FindStringSubmatch(line)
		if parts == nil {
			continue
		}
		check, reason := parts[1], strings.TrimSpace(parts[2])
		say := func(what, fix string) {
			wrong = append(wrong, Finding{"ignored-nothing", file, n + 1, what, fix})
		}
		known := slices.ContainsFunc(Checks(), func(c Check) bool { return c.ID == check })
		if !known || reason == "" {
			what, fix := "lint:ignore "+check+" gives no reason", "# lint:ignore "+check+" WHY"
			if !known {
				what, fix = "there is no check "+check, "one of "+strings.Join(ids(), ", ")
				if near := guardrail.Near(check, ids()); len(near) > 0 {
					fix = "did you mean " + near[0] + "?"
				}
			}
			say(what, fix)
			continue
		}
		at, any := about(lines, n), false
		for i, f := range found {
			if f.Check == check && (f.Line == n+1 || f.Line == at) {
				ignored[i], any = true, true
			}
		}
		if !any {
			say("lint:ignore "+check+" ignores nothing here", "leave it out")
		}
	}
	for i, f := range found {
		if !ignored[i] {
			left = append(left, f)
		}
	}
	return append(left, wrong...)
}

func ids() []string {
	var out []string
	for _, c := range Checks() {
		out = append(out, c.ID)
	}
	return out
}

// about is the line that a comment is about: its own, or the next that is none.
func about(lines []string, n int) int {
	if !strings.HasPrefix(strings.TrimSpace(lines[n]), "#") {
		return n + 1
	}
	for i := n + 1; i < len(lines); i++ {
		if text := strings.TrimSpace(lines[i]); text != "" && !strings.HasPrefix(text, "#") {
			return i + 1
		}
	}
	return 0
}
