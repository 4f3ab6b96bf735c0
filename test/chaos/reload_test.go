package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/podcullis/podcullis/test/server"
)

var reloadsPattern = regexp.MustCompile(`(?m)^podcullis_reloads_total\{result="(\w+)"\} (\d+)$`)

// reloads are how often the replica has reloaded, by result.
func (r *replica) reloads(ctx context.Context) (map[string]string, error) {
	text, err := server.Get(ctx, "http://"+r.metrics+"/metrics")
	counts := map[string]string{}
	for _, m := range reloadsPattern.FindAllStringSubmatch(text, -1) {
		counts[m[1]] = m[2]
	}
	return counts, err
}

// What does not load changes no answer.
func TestBrokenGuardrailsOnReloadChangeNoAnswer(t *testing.T) {
	c := start(t)
	good, err := os.ReadFile(repository(t, "examples", "shop-guardrails.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dir, policies := t.TempDir(), t.TempDir()
	config := filepath.Join(dir, "guardrails.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rego := filepath.Join(policies, "own.rego")
	const goodRego = "# METADATA\n# title: Own\n# description: Own\n# custom:\n#   severity: low\n#   kinds: [Pod]\npackage guardrails.own\n\nviolation contains {\"msg\": \"never\"} if false\n"
	write(config, string(good))
	write(rego, goodRego)
	s := c.serve(t, 1, replicaOptions{args: []string{"--config", config, "--policy-dir", policies, "--reload-period", "100ms"}})
	load := c.load(t, 4, unhurried)
	const head = "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\n"
	broken := map[string]func(){
		"empty file":        func() { write(config, "") },
		"no file":           func() { _ = os.Remove(config) },
		"empty set":         func() { write(config, head+"guardrails: []\n") },
		"no set":            func() { write(config, head) },
		"half a file":       func() { write(config, string(good[:len(good)/2])+"\n  [") },
		"unknown field":     func() { write(config, string(good)+"\nallow: everything\n") },
		"unknown guardrail": func() { write(config, head+"guardrails: [{name: x, guardrail: nothing, action: deny}]\n") },
		"unknown action":    func() { write(config, head+"guardrails: [{name: x, guardrail: default-deny, action: ignore}]\n") },
		"wrong parameter": func() {
			write(config, head+"guardrails: [{name: x, guardrail: default-deny, action: deny, parameters: {directions: [Up]}}]\n")
		},
		"bytes":              func() { write(config, "\x00\xff\xfe") },
		"Rego of no meaning": func() { write(rego, "package guardrails.own\n\nviolation contains") },
		"Rego that goes out": func() {
			write(rego, goodRego+"\nviolation contains {\"msg\": \"x\"} if http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1\"})\n")
		},
		"Rego of a rival": func() {
			write(rego, "# METADATA\n# title: Own\n# description: Own\n# custom:\n#   severity: low\n#   kinds: [Pod]\npackage guardrails.default_deny\n\nviolation contains {\"msg\": \"x\"} if false\n")
		},
		"no directory": func() { _ = os.Rename(policies, policies+".away") },
	}
	counted := func(what, result string, do func()) {
		t.Helper()
		before, err := s.replicas[0].reloads(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		do()
		await(t, fmt.Sprintf("the %s of a reload with %s", result, what), func(ctx context.Context) error {
			now, err := s.replicas[0].reloads(ctx)
			if err == nil && now[result] == before[result] {
				err = fmt.Errorf("reloads %v", now)
			}
			return err
		})
		load.passed(t, int64(size(20, 100)))
	}
	rounds := size(1, 5)
	for range rounds {
		for _, what := range sets.List(sets.KeySet(broken)) {
			counted(what, "failure", broken[what])
			_ = os.Rename(policies+".away", policies)
			counted("good files after "+what, "success", func() { write(config, string(good)); write(rego, goodRego) })
		}
	}
	// The types of what is compared here have 2^40 parts.
	write(rego, goodRego+"\n"+chain(`[1]`, `[x%[1]d, x%[1]d]`, 40)+strings.ReplaceAll(chain(`[1]`, `[x%[1]d, x%[1]d]`, 40), "x", "y")+"violation contains {\"msg\": \"x\"} if x40 == y40\n")
	await(t, "a reload without end to be told", func(ctx context.Context) error {
		good, err := s.replicas[0].gauge(ctx, "last reload")
		if err == nil && good != 0 {
			err = errors.New("the last reload was successful")
		}
		return err
	})
	load.passed(t, int64(size(20, 100)))
	load.clean(t, "broken reload", fmt.Sprintf("%d reloads that fail, as many that succeed", rounds*len(broken)), fmt.Sprintf("%d kinds of broken files, an empty set among them", len(broken)))
}
