package podcullis_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTestsInDocumentation finds every test that the documentation names as a proof.
func TestTestsInDocumentation(t *testing.T) {
	there := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != ".":
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			there[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, file := range []string{"docs/guarantees.md", "docs/security.md", "docs/reliability.md"} {
		for _, m := range regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllStringSubmatch(read(t, file), -1) {
			if named++; !there[m[1]] {
				t.Errorf("%s names %s, which there is not", file, m[1])
			}
		}
	}
	if named < 80 {
		t.Errorf("found %d names of tests; has their form changed?", named)
	}
}

// TestEveryThreatHasALine: each threat has an answer in docs/security.md, and a test.
func TestEveryThreatHasALine(t *testing.T) {
	text := read(t, "docs/security.md")
	for prefix, count := range map[string]int{"B": 18, "A": 12, "R": 13} {
		for i := range count {
			line := regexp.MustCompile(fmt.Sprintf("(?m)^\\| %s%d \\| [^|]+ \\| [^|]+ \\| `Test\\w+`[^|]* \\| [^|]*\\|$", prefix, i+1))
			if !line.MatchString(text) {
				t.Errorf("docs/security.md has no line with an answer and a test for %s%d", prefix, i+1)
			}
		}
	}
}
