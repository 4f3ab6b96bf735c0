package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestGatekeeperDocumentation finds what docs/gatekeeper.md shows in the scripts that run it.
func TestGatekeeperDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/gatekeeper.md")
	if err != nil {
		t.Fatal(err)
	}
	var scripts strings.Builder
	for _, name := range []string{"gatekeeper", "conftest"} {
		text, err := os.ReadFile("testdata/script/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		scripts.Write(text)
	}
	blocks := regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	for _, b := range blocks {
		output := ""
		for line := range strings.Lines(b[1]) {
			command, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				output += line
			} else if command = strings.TrimSpace(command); !regexp.MustCompile(`(?m)^exits \d ` + regexp.QuoteMeta(command) + `( |$)`).MatchString(scripts.String()) {
				t.Errorf("no script runs what docs/gatekeeper.md does: %s", command)
			}
		}
		if !strings.Contains(scripts.String(), output) {
			t.Errorf("no script shows what docs/gatekeeper.md does:\n%s", output)
		}
	}
	if len(blocks) < 3 {
		t.Errorf("found %d blocks, want three", len(blocks))
	}
}
