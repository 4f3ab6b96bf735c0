package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestSuggestDocumentation finds what docs/suggest.md shows in the script that runs it.
func TestSuggestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/suggest.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/suggest.txtar")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```(?:yaml|text)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	for _, b := range blocks {
		for part := range strings.SplitSeq(b[1], "---\n") {
			if !strings.Contains(string(script), part) {
				t.Errorf("the script does not show what docs/suggest.md does:\n%s", part)
			}
		}
	}
	if len(blocks) < 5 {
		t.Errorf("found %d blocks, want five", len(blocks))
	}
}
