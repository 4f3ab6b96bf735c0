package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func decode(t *testing.T, file string, into any) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return string(text)
}

// A script of a workflow or an action must not be made of what somebody else wrote: that
// reaches it as a variable.
func TestScriptsAreMadeOfNothingForeign(t *testing.T) {
	files, err := filepath.Glob(root + "/.github/workflows/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	type steps []struct {
		Run, Uses string
	}
	check := func(file string, all steps) {
		for _, s := range all {
			if strings.Contains(s.Run, "${{") {
				t.Errorf("%s: put what is in braces into env: %s", file, s.Run)
			}
			if s.Uses != "" && !regexp.MustCompile(`^[\w.-]+/[\w./-]+@(v\d+|[0-9a-f]{40})$`).MatchString(s.Uses) {
				t.Errorf("%s: %s names no version", file, s.Uses)
			}
			for _, script := range regexp.MustCompile(`\.github/[\w/]+\.sh`).FindAllString(s.Run, -1) {
				if info, err := os.Stat(filepath.Join(root, script)); err != nil || info.Mode()&0o111 == 0 {
					t.Errorf("%s: %s is not there, or not executable: %v", file, script, err)
				}
			}
		}
	}
	for _, file := range files {
		var w struct {
			Permissions any
			Jobs        map[string]struct{ Steps steps }
		}
		decode(t, strings.TrimPrefix(file, root), &w)
		if w.Permissions == nil {
			t.Errorf("%s: says no permissions, and so has all", file)
		}
		for _, j := range w.Jobs {
			check(file, j.Steps)
		}
	}
	var action struct {
		Inputs map[string]struct{ Description string }
		Runs   struct{ Steps steps }
	}
	decode(t, "action.yml", &action)
	check("action.yml", action.Runs.Steps)
	docs := read(root + "/docs/ci.md")
	for name := range action.Inputs {
		if !strings.Contains(docs, "`"+name+"`") {
			t.Errorf("docs/ci.md does not mention the input %s of the action", name)
		}
	}
}

// TestGoreleaser: the platforms, and the version, as make build has it.
func TestGoreleaser(t *testing.T) {
	var c struct {
		Builds []struct {
			ID                    string
			Goos, Goarch, Ldflags []string
			Flags                 []string
		}
	}
	decode(t, ".goreleaser.yaml", &c)
	makefile := read(root + "/Makefile")
	for _, b := range c.Builds {
		want := []string{"linux", "darwin", "windows"}
		if b.ID == "podcullis-webhook" {
			want = []string{"linux"}
		}
		if !slices.Equal(b.Goos, want) || !slices.Equal(b.Goarch, []string{"amd64", "arm64"}) {
			t.Errorf("%s is built for %v on %v", b.ID, b.Goos, b.Goarch)
		}
		ldflags := strings.ReplaceAll(strings.Join(b.Ldflags, " "), "{{ .Version }}", "$(VERSION)")
		if !strings.Contains(makefile, "LDFLAGS := "+ldflags+"\n") || !slices.Equal(b.Flags, []string{"-trimpath", "-tags=grpcnotrace"}) {
			t.Errorf("%s is built otherwise than by make build: %v %v", b.ID, b.Flags, b.Ldflags)
		}
	}
	if len(c.Builds) != 2 {
		t.Errorf("%d builds, want 2", len(c.Builds))
	}
}

// TestNotes: a tag that the chart or the changelog does not name is no release.
func TestNotes(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{".github/release", "charts/podcullis"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	put := func(file, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	put(".github/release/notes.sh", read(root+"/.github/release/notes.sh"), 0o700)
	put("charts/podcullis/Chart.yaml", "version: 0.2.0\nappVersion: 0.2.0\n", 0o600)
	put("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- soon\n\n## [0.2.0] - 2027-01-01\n\n- new\n\n## [0.1.0] - 2026-12-01\n\n- first\n", 0o600)
	notes := func(tag string) (string, error) {
		out, err := exec.CommandContext(t.Context(), dir+"/.github/release/notes.sh", tag).Output()
		return strings.TrimSpace(string(out)), err
	}
	if got, err := notes("v0.2.0"); err != nil || got != "- new" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := notes("v0.1.0"); err == nil {
		t.Errorf("a tag that is not the chart's has notes: %q", got)
	}
	put("charts/podcullis/Chart.yaml", "version: 0.3.0\nappVersion: 0.3.0\n", 0o600)
	if got, err := notes("v0.3.0"); err == nil {
		t.Errorf("a version of which nothing is said has notes: %q", got)
	}
}

// TestPreCommitHooks runs each hook as pre-commit does: entry and args, in the repository that
// is checked.
func TestPreCommitHooks(t *testing.T) {
	var hooks []struct {
		ID, Entry, Language string
		Args                []string
		PassFilenames       *bool `json:"pass_filenames"`
	}
	decode(t, ".pre-commit-hooks.yaml", &hooks)
	if len(hooks) != 2 {
		t.Fatalf("%d hooks, want 2", len(hooks))
	}
	for _, h := range hooks {
		fields := append(strings.Fields(h.Entry), h.Args...)
		if fields[0] != "podcullis" || h.PassFilenames == nil || *h.PassFilenames {
			t.Fatalf("%+v", h)
		}
		for dir, want := range map[string]int{"examples/shop": 0, "examples/shop-after": 1} {
			cmd := exec.CommandContext(t.Context(), binary(t), append(fields[1:], "--config", "../shop-guardrails.yaml")...)
			cmd.Dir = filepath.Join(root, dir)
			out, _ := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != want {
				t.Errorf("%s in %s: exit code %d, want %d\n%s", h.ID, dir, got, want, out)
			}
		}
	}
}
