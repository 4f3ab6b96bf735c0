package regolint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/guardrail"
)

const head = `# METADATA
# title: T
# description: D
# custom:
#   severity: low
#   kinds: [Pod]
#   parameters: {properties: {teams: {type: array, description: The teams.}, port: {type: integer, default: 1, description: A port.}}}
package guardrails.a

used if input.parameters.teams == [input.parameters.port]

warn contains $"{input.request.name}" if used

`

// found are the checks that find something in rules after head, with the line after it.
func found(t *testing.T, rules string) []string {
	t.Helper()
	r, err := Lint(Options{
		Needed: []guardrail.Source{{Name: "lib", FS: fstest.MapFS{"words.rego": {Data: []byte("package lib.words\nsay(x) := x\n")}}}},
		Linted: []guardrail.Source{{Name: "g", FS: fstest.MapFS{"a.rego": {Data: []byte(head + rules)}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range r.Findings {
		if f.Fix == "" || f.Text == "" || f.Line == 0 {
			t.Errorf("incomplete: %+v", f)
		}
		out = append(out, f.Check)
	}
	return out
}

// The second mistake that people make: what is undefined where the label is missing.
func TestUndefinedUnderNot(t *testing.T) {
	const check = "undefined-under-not"
	rule := func(body string) string {
		return "deny contains $\"{input.request.name}\" if {\n\t" + strings.ReplaceAll(body, "; ", "\n\t") + "\n}\n"
	}
	const labels = "labels := input.request.object.metadata.labels; "
	for name, tc := range map[string]struct {
		rules string
		want  []string
	}{
		"TheMistake":               {rule(labels + `not labels.team in {"a"}`), []string{check}},
		"ItsPath":                  {rule(`not input.request.object.metadata.labels.team in {"a"}`), []string{check}},
		"OfReview":                 {rule(`not startswith(input.review.object.metadata.labels.team, "a")`), []string{check}},
		"InAComprehension":         {rule(`x := {c.name | some c in input.request.object.spec.containers; not startswith(c.workingDir, "/a")}; count(x) > 0`), []string{check}},
		"InEvery":                  {rule(`every c in input.request.object.spec.containers { not startswith(c.workingDir, "/a") }`), []string{check}},
		"InAFunction":              {rule(`bad(input.request.object.metadata.labels)`) + "\nbad(labels) if not labels.team in {\"a\"}\n", []string{check}},
		"ByARule":                  {rule(`not team in {"a"}`) + "\nteam := input.request.object.metadata.labels.team\n", []string{check}},
		"InAHelper":                {rule(`helper`) + "\nhelper if not input.request.object.metadata.labels.team in {\"a\"}\n", []string{check}},
		"SubResource":              {rule(`not input.request.subResource in {"status"}`), []string{check}},
		"AParameter":               {rule(`not "a" in input.parameters.teams`), []string{check}},
		"AParameterThatIsThere":    {rule(`not input.parameters.port in {1}`), nil},
		"ThatItIsThere":            {rule(`not input.request.object.metadata.labels.team`), nil},
		"Compared":                 {rule(labels + `not labels.team == "a"`), nil},
		"NeededBefore":             {rule(labels + `labels.team; not labels.team in {"a"}`), nil},
		"NeededInACall":            {rule(labels + `startswith(labels.team, "x"); not labels.team in {"a"}`), nil},
		"TakenBefore":              {rule(labels + `team := labels.team; not team in {"a"}`), nil},
		"WithADefault":             {rule(`not object.get(input.request.object.metadata, ["labels", "team"], "") in {"a"}`), nil},
		"WithADefaultForOneOfNone": {rule(`not object.get(input.request.object.metadata.labels, "team", "") in {"a"}`), []string{check}},
		"AnotherRuleForIt":         {rule(labels+`not labels.team in {"a"}`) + "\n" + rule(`not input.request.object.metadata.labels.team`), nil},
		"ARuleWithADefault":        {rule(`not team in {"a"}`) + "\ndefault team := \"\"\n\nteam := input.request.object.metadata.labels.team\n", nil},
		"AnElse":                   {rule(`not team in {"a"}`) + "\nteam := t if t := input.request.object.metadata.labels.team\n\nelse := \"\"\n", nil},
		"WhatIsAlwaysThere":        {rule(`some c in input.request.object.spec.containers; not startswith(c.image, "x")`), nil},
		"TheOperation":             {rule(`not input.request.operation in {"CREATE"}`), nil},
		"AnAnswerOfOurs":           {rule(`some c in netpol.opened({"from": {}, "to": {}}); not startswith(c.to.name, "x")`), nil},
		"Ignored":                  {rule(labels + "# lint:ignore undefined-under-not there is always a team; not labels.team in {\"a\"}"), nil},
		"IgnoredBeside":            {rule(labels + "not labels.team in {\"a\"} # lint:ignore undefined-under-not there is always a team"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, found(t, tc.rules)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	const msg = `{"msg": $"{input.request.name}", "details": {"a": 1}}`
	for name, tc := range map[string]struct {
		rules string
		want  []string
	}{
		"Clean":                  {"violation contains " + msg + " if used\n", nil},
		"AnOperationInLowerCase": {"violation contains " + msg + " if input.request.operation == \"create\"\n", []string{"dead-condition"}},
		"OneOfThem":              {"violation contains " + msg + " if input.request.operation in {\"create\", \"UPDATE\"}\n", nil},
		"AnotherKind":            {"violation contains " + msg + " if input.request.kind.kind == \"Deployment\"\n", []string{"dead-condition"}},
		"TheKind":                {"violation contains " + msg + " if input.review.kind.kind in {\"Pod\"}\n", nil},
		"AnotherOrigin":          {"violation contains " + msg + " if input.origin == \"webhook\"\n", []string{"dead-condition"}},
		"TheObjectOfADelete":     {"violation contains " + msg + " if {\n\tinput.request.operation == \"DELETE\"\n\tinput.request.object.spec.hostPID\n}\n", []string{"dead-condition"}},
		"TheOldObjectOfADelete":  {"violation contains " + msg + " if {\n\tinput.request.operation == \"DELETE\"\n\tinput.request.oldObject.spec.hostPID\n}\n", nil},
		"NoDetails":              {"violation contains {\"msg\": $\"{input.request.name}\"} if used\n", []string{"no-details"}},
		"NoDetailsByAVariable":   {"violation contains v if v := {\"msg\": $\"{input.request.name}\"}\n", []string{"no-details"}},
		"Details":                {"violation contains v if v := " + msg + "\n", nil},
		"TheSameMessage":         {"deny contains \"no\" if used\n", []string{"unnamed-object"}},
		"TheSameMessageOfAll":    {"deny contains msg if {\n\tused\n\tmsg := sprintf(\"port %v\", [input.parameters.port])\n}\n", []string{"unnamed-object"}},
		"ANamedObject":           {"deny contains msg if {\n\tc := input.request.object.spec.containers[_]\n\tmsg := sprintf(\"%v\", [c.name])\n}\n", nil},
		"AMisspeltRule":          {"dney contains \"no\" if used\n", []string{"unused-rule"}},
		"ARuleThatNobodyUses":    {"helper(x) if x == 1\n", []string{"unused-rule"}},
		"AParameterThatIsNot":    {"deny contains $\"{input.request.name}\" if object.get(input.parameters, \"prot\", 1) == 1\n", []string{"undeclared-parameter"}},
		"AnUnusedVariable":       {"deny contains $\"{input.request.name}\" if {\n\tx := 1\n\tused\n}\n", []string{"strict"}},
		"AnUnusedImport":         {"import data.lib.words\n\ndeny contains $\"{input.request.name}\" if used\n", []string{"strict"}},
		"AnIgnoreOfNothing":      {"# lint:ignore strict no reason at all\ndeny contains $\"{input.request.name}\" if used\n", []string{"ignored-nothing"}},
		"AnIgnoreWithoutAReason": {"# lint:ignore unnamed-object\ndeny contains \"no\" if used\n", []string{"ignored-nothing", "unnamed-object"}},
		"AnIgnoreOfAnotherName":  {"# lint:ignore unamed-object why\ndeny contains \"no\" if used\n", []string{"ignored-nothing", "unnamed-object"}},
		"AnIgnore":               {"# lint:ignore unnamed-object there is one\ndeny contains \"no\" if used\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, found(t, tc.rules)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Nothing is found in the guardrails that ship, and they are formatted.
func TestTheGuardrailsThatShipAreClean(t *testing.T) {
	dir := filepath.Join("..", "..", "policies")
	r, err := Lint(Options{Linted: []guardrail.Source{{Name: "policies", FS: os.DirFS(dir)}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Error(f)
	}
	if len(r.Files) < 8 {
		t.Errorf("only %v", r.Files)
	}
	for _, file := range r.Files {
		text, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(file, "policies/")))
		if err != nil {
			t.Fatal(err)
		}
		made, err := Format(file, text)
		if err != nil || string(made) != string(text) {
			t.Errorf("%s is formatted otherwise: %v", file, err)
		}
	}
}

func TestMetadataAndParameters(t *testing.T) {
	text := strings.NewReplacer("#   kinds: [Pod]\n", "", ", description: A port.", "", "input.parameters.teams", "[1]").Replace(head)
	r, err := Lint(Options{Linted: []guardrail.Source{{Name: "g", FS: fstest.MapFS{"a.rego": {Data: []byte(text)}}}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Check+": "+f.Text)
	}
	want := []string{
		"incomplete-metadata: # METADATA names no kinds, so that it is asked about every object",
		"incomplete-metadata: parameter port has no description",
		"unread-parameter: parameter teams is declared and never read",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
