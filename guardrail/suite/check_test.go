package suite_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/suite"
)

func TestWhatDetailsHave(t *testing.T) {
	details := map[string]any{"from": map[string]any{"name": "web"}, "ports": []any{map[string]any{"port": 80}, map[string]any{"port": 443}}, "n": 1, "none": nil}
	for asked, want := range map[string]bool{
		"{}":                                    true,
		"{from: {name: web}}":                   true,
		"{from: {name: db}}":                    false,
		"{from: web}":                           false,
		"{to: null}":                            false,
		"{none: null}":                          true,
		"{ports: [{port: 443}]}":                true,
		"{ports: [{port: 443}, {port: 80}]}":    true,
		"{ports: [{port: 443}, {port: 8080}]}":  false,
		"{ports: []}":                           true,
		"{ports: {port: 443}}":                  false,
		"{n: 1.0}":                              true,
		"{n: '1'}":                              false,
		"[web]":                                 false,
		"{from: {name: web, namespace: [web]}}": false,
	} {
		suites, err := suite.Parse("s.yaml", []byte(head+"tests: [{name: a, create: a, assertions: [{details: "+asked+"}]}]\n"))
		if err != nil {
			t.Fatalf("%s: %v", asked, err)
		}
		wrong := suites[0].Tests[0].Check(&suite.Answer{Asked: 1, Violations: []guardrail.Violation{{Details: details}}})
		if diff := cmp.Diff(want, len(wrong) == 0); diff != "" {
			t.Errorf("%s: %v", asked, wrong)
		}
	}
}

// A test that asks nobody fails, whatever it asserts, unless it says so.
func TestNobodyIsAsked(t *testing.T) {
	for assertion, want := range map[string]int{"{violations: no}": 1, "{violations: no, asked: no}": 0, "{asked: yes}": 1} {
		suites, err := suite.Parse("s.yaml", []byte(head+"tests: [{name: a, create: a, assertions: ["+assertion+"]}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		if wrong := suites[0].Tests[0].Check(&suite.Answer{}); len(wrong) != want {
			t.Errorf("%s: %v", assertion, wrong)
		}
	}
}
