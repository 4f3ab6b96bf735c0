package chart

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

// configurationLoads loads what the server will load, with the Rego of the chart.
func configurationLoads(t *testing.T, r release) {
	data := one[*corev1.ConfigMap](t, r).Data
	config, err := guardrail.ParseConfig("guardrails.yaml", []byte(data["guardrails.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for name, text := range data {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS}, guardrail.Source{Name: "configuration", FS: files})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guardrail.New(library, config); err != nil {
		t.Errorf("%v\n%s", err, data["guardrails.yaml"])
	}
}

func TestDefaultConfigurationIsThatOfTheServer(t *testing.T) {
	want, err := guardrail.ParseConfig("default", guardrail.DefaultConfig)
	if err != nil {
		t.Fatal(err)
	}
	got := configurationOf(t, install(t, "{mode: enforce, tests: {enabled: false}}"))
	if diff := cmp.Diff(want.Guardrails, got.Guardrails, ignoreCompiled()...); diff != "" {
		t.Errorf("guardrails (-server +chart):\n%s", diff)
	}
	if diff := cmp.Diff(want.Exclude, got.Exclude); diff != "" {
		t.Errorf("exclude (-server +chart):\n%s", diff)
	}
}

func TestModeWarnRefusesNothing(t *testing.T) {
	for mode, want := range map[string][]guardrail.Action{
		"audit": {"deny", "audit", "deny"}, "warn": {"warn", "audit", "deny"}, "enforce": {"deny", "audit", "deny"},
	} {
		t.Run(mode, func(t *testing.T) {
			var got []guardrail.Action
			for _, g := range configurationOf(t, install(t, "mode: "+mode, `
configuration:
  guardrails:
  - {name: a, guardrail: default-deny, action: deny}
  - {name: b, guardrail: default-deny, action: audit}`)).Guardrails {
				got = append(got, g.Action)
			}
			if !slices.Equal(got, want) {
				t.Errorf("actions %v, want %v; the last is the canary's", got, want)
			}
		})
	}
}

// The schema knows the fields of the configuration that the server knows.
func TestSchemaHasTheFieldsOfTheConfiguration(t *testing.T) {
	root := schemaOf(t)
	configuration := root.at("configuration")
	for path, pair := range map[string]struct {
		schema schema
		of     any
	}{
		"configuration":                    {configuration, guardrail.Config{}},
		"configuration.exclude":            {configuration.at("exclude"), guardrail.Exclude{}},
		"configuration.guardrails[]":       {configuration.at("guardrails").items(), guardrail.Instance{}},
		"configuration.guardrails[].match": {root.defined("match"), guardrail.Match{}},
		"configuration.exemptions[]":       {configuration.at("exemptions").items(), guardrail.Exemption{}},
	} {
		var want []string
		fields := reflect.TypeOf(pair.of)
		for i := range fields.NumField() {
			name := fields.Field(i).Tag.Get("yaml")
			if name != "" && name != "apiVersion" && name != "kind" {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, pair.schema.names()); diff != "" {
			t.Errorf("%s (-server +schema):\n%s", path, diff)
		}
	}
}

func configurationOf(t *testing.T, r release) *guardrail.Config {
	t.Helper()
	config, err := guardrail.ParseConfig("guardrails.yaml", []byte(one[*corev1.ConfigMap](t, r).Data["guardrails.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func ignoreCompiled() []cmp.Option {
	return []cmp.Option{cmp.FilterPath(func(p cmp.Path) bool {
		f, ok := p.Last().(cmp.StructField)
		return ok && strings.ToLower(f.Name()[:1]) == f.Name()[:1]
	}, cmp.Ignore())}
}
