package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	tutorialPart = regexp.MustCompile("(?s)<!-- (file|rule|change|exits|watched)(?:: ([^>]*?))? -->|```(\\w+)\n(.*?)```")
	// ruleBegins is where a rule that is shown alone stands in its file.
	ruleBegins = "violation contains "
)

// TestTutorial follows the tutorial of docs/guardrails.md command by command: it writes the
// files that are shown, and runs what is said.
func TestTutorial(t *testing.T) {
	_, section, found := strings.Cut(read(t, "../../docs/guardrails.md"), "## The first one\n")
	if !found {
		t.Fatal("docs/guardrails.md has no tutorial")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	f := &follower{t: t, dir: t.TempDir()}
	for _, part := range tutorialPart.FindAllStringSubmatch(section, -1) {
		switch marker, about, text := part[1], part[2], part[4]; {
		case marker == "change":
			f.change(about)
		case marker != "":
			f.marker, f.about = marker, about
			if marker == "exits" {
				f.code = about
			}
		case part[3] == "console":
			f.console(text)
		case f.marker == "file":
			f.write(text)
		case f.marker == "rule":
			was := read(t, f.path(f.about))
			f.write(was[:strings.Index(was, ruleBegins)] + text)
		case f.marker == "watched":
			f.same("what is watched", text, f.watching.run()+"\n")
			if code := f.watching.end(); code != clean {
				t.Errorf("--watch ends with %d", code)
			}
			f.watching, f.marker = nil, ""
		default:
			t.Errorf("nobody is told what to do with:\n%s", text)
		}
	}
	if f.commands < 7 || f.watching != nil {
		t.Errorf("ran %d commands", f.commands)
	}
}

// follower is who does what the tutorial says.
type follower struct {
	t             *testing.T
	dir           string
	marker, about string // of what comes next
	code          string // the exit code of the next command; "" is 0
	watching      *watching
	commands      int
}

func (f *follower) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f *follower) write(text string) {
	f.t.Helper()
	path := f.path(f.about)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.marker = ""
}

// change is FILE: WAS: IS, where WAS and IS have a colon of their own.
func (f *follower) change(about string) {
	parts := strings.Split(about, ": ")
	if len(parts) != 5 {
		f.t.Fatalf("change %q", about)
	}
	text := read(f.t, f.path(parts[0]))
	was, is := parts[1]+": "+parts[2], parts[3]+": "+parts[4]
	if strings.Count(text, was) != 1 {
		f.t.Fatalf("%s has %q not once", parts[0], was)
	}
	f.about = parts[0]
	f.write(strings.Replace(text, was, is, 1))
}

// console runs the commands of a block, each with what is shown below it.
func (f *follower) console(text string) {
	f.t.Helper()
	for _, one := range strings.Split("\n"+text, "\n$ ")[1:] {
		line, shown, _ := strings.Cut(one, "\n")
		f.commands++
		args := []string{}
		for _, a := range strings.Fields(strings.TrimPrefix(line, "podcullis ")) {
			args = append(args, strings.Trim(a, "'"))
		}
		if strings.Contains(line, "--watch") {
			f.watching = watchIn(f.t, f.dir, args...)
			f.same(line, shown, f.watching.run()+"\n")
			continue
		}
		f.run(line, args, shown)
	}
	f.code = ""
}

func (f *follower) run(line string, args []string, shown string) {
	f.t.Helper()
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	c := exec.CommandContext(f.t.Context(), self)
	c.Args, c.Dir = append([]string{"podcullis"}, args...), f.dir
	out, err := c.Output()
	if c.ProcessState == nil {
		f.t.Fatal(err)
	}
	if code := c.ProcessState.String(); code != "exit status "+f.code && (code != "exit status 0" || f.code != "") {
		f.t.Errorf("%s: %s, want %q", line, code, f.code)
	}
	f.same(line, shown, string(out))
}

// same compares what is shown with what there is; a line of three dots stands for any.
func (f *follower) same(what, shown, is string) {
	f.t.Helper()
	shown, is = strings.TrimSuffix(shown, "\n"), strings.TrimSuffix(is, "\n")
	parts := strings.Split(shown, "\n...\n")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	if !regexp.MustCompile(`(?s)\A` + strings.Join(parts, `\n.*\n`) + `\z`).MatchString(is) {
		f.t.Errorf("%s (-shown +is):\n%s", what, cmp.Diff(shown, is))
	}
}

// TestSuiteOfDocumentation runs the suite that docs/suites.md shows, in the shop of the
// guardrails that ship; what it shows of one that fails is the tutorial's.
func TestSuiteOfDocumentation(t *testing.T) {
	page := read(t, "../../docs/suites.md")
	blocks := regexp.MustCompile("(?s)```(yaml|text)\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatalf("docs/suites.md has %d blocks, want a suite and what is said of one that fails", len(blocks))
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"a_suite.yaml": blocks[0][2], "shop.yaml": read(t, "../../policies/suites/shop.yaml")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, stdout, stderr := command(t, "test", dir); code != clean || stdout != "PASS: 1/1\n" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if !strings.Contains(read(t, "../../docs/guardrails.md"), blocks[1][2]) {
		t.Errorf("the tutorial does not show\n%s", blocks[1][2])
	}
}
