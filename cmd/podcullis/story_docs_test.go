package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestStoriesOfDocumentation finds what docs/guardrails.md shows of test and eval in the
// scripts that run them.
func TestStoriesOfDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/guardrails.md")
	if err != nil {
		t.Fatal(err)
	}
	var stories strings.Builder
	for _, name := range []string{"test", "eval"} {
		text, err := os.ReadFile("testdata/script/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		stories.Write(text)
	}
	_, section, found := strings.Cut(string(page), "## Test and look inside\n")
	if !found {
		t.Fatal("docs/guardrails.md has no section Test and look inside")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```(?:rego|text)\n(.*?)```").FindAllStringSubmatch(section, -1)
	for _, b := range blocks {
		if !strings.Contains(stories.String(), b[1]) {
			t.Errorf("no script shows what docs/guardrails.md does:\n%s", b[1])
		}
	}
	if len(blocks) < 4 {
		t.Errorf("found %d blocks, want four", len(blocks))
	}
}
