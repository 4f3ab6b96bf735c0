package guardrail

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

const metadata = `# METADATA
# title: T
# description: D
# custom:
#   severity: low
`

// TestLibraryErrors has one directory of guardrails a section of
// testdata/library-errors.txtar. # METADATA is put above where a section does
// not bring its own first line "#".
func TestLibraryErrors(t *testing.T) {
	a, err := txtar.ParseFile(filepath.Join("testdata", "library-errors.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range a.Files {
		text := string(f.Data)
		if !strings.HasPrefix(text, "#") {
			text = metadata + text
		}
		_, err := library(map[string]string{f.Name: text})
		if err == nil {
			t.Errorf("%s is accepted", f.Name)
			continue
		}
		if !strings.Contains(err.Error(), f.Name) {
			t.Errorf("%s: the error does not name the file: %v", f.Name, err)
		}
		b.WriteString(err.Error() + "\n")
	}
	golden(t, filepath.Join("testdata", "library-errors.golden"), b.String())
}

func TestTwoFilesCannotDefineOneGuardrail(t *testing.T) {
	one := metadata + "package guardrails.a\nviolation contains \"x\" if false\n"
	_, err := library(map[string]string{"a.rego": one, "b.rego": one})
	if err == nil || !strings.Contains(err.Error(), "a.rego") || !strings.Contains(err.Error(), "b.rego") {
		t.Errorf("the error should name both files: %v", err)
	}
}

func TestNoGuardrailAtAllIsAnError(t *testing.T) {
	if _, err := library(map[string]string{"README.md": "x", "a_test.rego": "broken"}); err == nil {
		t.Error("a directory without guardrails is accepted: everything would pass")
	}
}

func TestWhatReadsTheObject(t *testing.T) {
	for body, want := range map[string]bool{
		`input.request.operation == "CREATE"`:                           false,
		`input.request.userInfo.username == "x"`:                        false,
		`input.parameters.x`:                                            false,
		`input.origin == "cli"; input.time`:                             false,
		`r := input.review.name; r == "x"`:                              false,
		`some x in cluster.namespaces(); x.name`:                        false,
		`input.request.object.metadata.name == "x"`:                     true,
		`input.review.oldObject`:                                        true,
		`input.request.options`:                                         true,
		`r := input.request; r.object`:                                  true,
		`input.request[k]`:                                              true,
		`some k; input[k]`:                                              true,
		`x := input; x.request`:                                         true,
		`object.get(input, "request", {})`:                              true,
		`object.get(input.request, ["object"], 1)`:                      true,
		`walk(input, [p, v]); p`:                                        true,
		`json.filter(input, ["request/object"])`:                        true,
		`f := "object"; input.request[f]`:                               true,
		`input.request[input.request.name]`:                             true,
		`x := {y | y := input.request.object.metadata.labels[_]}; x`:    true,
		`input.request.name with input as {"request": {"name": "x"}}`:   true,
		`data.lib.reader.labels.x`:                                      true,
		`input.parameters[input.request.object.metadata.name]`:          true,
		`input.request.operation == input.request.object.metadata.name`: true,
		`x := [input.review | true]; x[0].object`:                       true,
		`data.lib.reader.safe`:                                          true, // of one library all counts: a library is read as a whole
	} {
		text := metadata + "#   parameters: {additionalProperties: true}\npackage guardrails.a\nviolation contains \"x\" if {\n" + strings.ReplaceAll(body, "; ", "\n") + "\n}\n"
		l, err := library(map[string]string{
			"a.rego":   text,
			"lib.rego": "package lib.reader\nlabels := input.request.object.metadata.labels\nsafe := input.request.name\n",
		})
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if g, _ := l.Guardrail("a"); g.readsObject != want {
			t.Errorf("`%s` reads the object: %t, want %t", body, g.readsObject, want)
		}
	}
}
