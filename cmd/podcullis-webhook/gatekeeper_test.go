package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func ownerTemplate(body string) string {
	return `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: owner}
spec:
  crd: {spec: {names: {kind: Owner}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package owner

      violation[{"msg": "no"}] { ` + body + ` }
`
}

// Templates and constraints are reloaded like Rego. What does not load, or needs what is not
// watched, leaves the ones in force that were.
func TestConstraintsAreReloaded(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	constraint := func(name string) string {
		return "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Owner\nmetadata: {name: " + name + "}\nspec: {match: {kinds: [{apiGroups: [\"\"], kinds: [Secret, Pod]}]}}\n"
	}
	write("template.yaml", ownerTemplate("true"))
	write("constraint.yaml", constraint("one"))
	var log bytes.Buffer
	f, err := loadGuardrails(&options{policyDirs: []string{dir}}, nil, slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if want := "constraint Owner/one matches Secret, about which the chart's webhook is not asked"; !strings.Contains(log.String(), want) {
		t.Errorf("the log lacks %q:\n%s", want, log.String())
	}
	inForce := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(append([]string{"default-deny"}, want...), f.engine.Guardrails()); diff != "" {
			t.Errorf("in force (-want +got):\n%s", diff)
		}
	}
	inForce("Owner/one")
	digest, set := f.read(), f.contents()
	write("constraint.yaml", constraint("two"))
	if f.read() == digest || f.contents() == set {
		t.Error("a change of a constraint is not seen")
	}
	if err := f.reload(); err != nil {
		t.Fatal(err)
	}
	inForce("Owner/two")

	for body, want := range map[string]string{
		`http.send({"method": "get", "url": "http://192.0.2.1"})`:                     "http.send is not in the sandbox",
		`data.inventory.namespace[_]["v1"].Pod[_]`:                                    "a template reads whole objects of Pod as data.inventory or namespaceObject, and these are not kept",
		`data.inventory.namespace[_]["networking.k8s.io/v1"].Ingress[_].spec`:         "restart podcullis-webhook",
		`data.inventory.namespace[_]["v1"].ConfigMap[_]`:                              "the model holds no v1 ConfigMap",
		`input.review.namespaceObject.metadata.annotations.owner`:                     "whole objects of Namespace",
		`data.inventory.namespace[_]["v1"][input.review.object.metadata.labels.kind]`: "and these are not kept",
	} {
		write("template.yaml", ownerTemplate(body))
		if err := f.reload(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
		inForce("Owner/two")
	}
	write("template.yaml", ownerTemplate("true"))
	if err := f.reload(); err != nil {
		t.Fatal(err)
	}
	inForce("Owner/two")
}
