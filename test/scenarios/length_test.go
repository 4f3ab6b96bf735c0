package scenarios

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"

	"github.com/podcullis/podcullis/audit"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
)

// What a person reads fits on a screen: 20 lines, and warnings what the API server shows.
func TestAnswersAreShort(t *testing.T) {
	files, err := filepath.Glob("*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	const most = 20
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := read(t, a)
		answer := s.admit(t)
		if n := strings.Count(answer, "\n"); n > most {
			t.Errorf("%s: the answer has %d lines, want at most %d:\n%s", file, n, most, answer)
		}
		for line := range strings.Lines(answer) {
			if w, isWarning := strings.CutPrefix(line, "warning: "); isWarning && (utf8.RuneCountInString(w) > 257 || strings.Contains(w, "…")) {
				t.Errorf("%s: a warning does not fit: %s", file, w)
			}
		}
		if text := s.findings(t); strings.Count(text, "\n") > most {
			t.Errorf("%s: the findings have %d lines, want at most %d:\n%s", file, strings.Count(text, "\n"), most, text)
		}
	}
}

// findings are what the command line finds in the state after the change.
func (s *scenario) findings(t *testing.T) string {
	t.Helper()
	objects := slices.Clone(s.cluster.Objects)
	if s.before != nil {
		objects = slices.DeleteFunc(objects, func(o manifest.Object) bool { return o.Ref() == s.before.Ref() })
	}
	change := cluster.Change{}
	if s.before != nil {
		change.Before = s.before.Model
	}
	if s.after != nil {
		change.After = s.after.Model
		objects = append(objects, *s.after)
	}
	after, err := s.snapshot.Apply(change)
	if err != nil {
		t.Fatal(err)
	}
	var items []audit.Item
	for _, o := range objects {
		items = append(items, audit.Item{GroupVersionKind: o.GroupVersionKind, Namespace: o.Namespace, Name: o.Name, JSON: o.JSON, Object: o.Model})
	}
	found, err := audit.Examine(context.Background(), s.engine, items, after, guardrail.CLI, now)
	if err != nil {
		t.Fatal(err)
	}
	result := &report.Result{}
	for _, f := range found.Findings {
		result.Findings = append(result.Findings, report.Finding{Violation: f.Violation, Object: f.Object})
	}
	var b bytes.Buffer
	if err := result.Text(&b, report.Style{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
