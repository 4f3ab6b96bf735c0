package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The types of what is compared have 2^40 parts, so that to compile it has no end.
func endless() string {
	var rego strings.Builder
	rego.WriteString("# METADATA\n# title: Endless\n# description: Endless\n# custom:\n#   severity: low\n#   kinds: [Pod]\npackage guardrails.endless\n\n")
	for _, x := range []string{"x", "y"} {
		fmt.Fprintf(&rego, "%s0 := [1]\n\n", x)
		for i := range 40 {
			fmt.Fprintf(&rego, "%[1]s%[2]d := [%[1]s%[3]d, %[1]s%[3]d]\n\n", x, i+1, i)
		}
	}
	return rego.String() + "violation contains {\"msg\": \"x\"} if x40 == y40\n"
}

func TestAReloadWithoutEndIsToldAndKeepsNobody(t *testing.T) {
	dir := t.TempDir()
	registry := prometheus.NewRegistry()
	f, err := loadGuardrails(&options{policyDirs: []string{dir}, reloadPeriod: time.Millisecond}, nil, slog.New(slog.DiscardHandler), registry)
	if err != nil {
		t.Fatal(err)
	}
	good := func() float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetName() == "podcullis_last_reload_successful" {
				return family.GetMetric()[0].GetGauge().GetValue()
			}
		}
		t.Fatal("nothing says whether the last reload was successful")
		return 0
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.watch(ctx) }()
	if good() != 1 {
		t.Error("the first guardrails are not in force")
	}
	if err := os.WriteFile(filepath.Join(dir, "endless.rego"), []byte(endless()), 0o600); err != nil {
		t.Fatal(err)
	}
	for good() != 0 {
		select {
		case <-t.Context().Done():
			t.Fatal("a reload that goes on counts as in force")
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	<-ended // or the test's own end, if watch waits for it
}

func TestWhatIsLeftUnprovedIsLoggedAtLoad(t *testing.T) {
	config := filepath.Join(t.TempDir(), "guardrails.yaml")
	if err := os.WriteFile(config, []byte(`apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- {name: strict, guardrail: forbidden-paths, action: deny, parameters: {from: {}, to: {}}}
- {name: netpols-only, guardrail: forbidden-paths, action: deny, parameters: {from: {}, to: {}, unknown: {blocked: [unmodelled-kind]}}}
- {name: lenient, guardrail: required-paths, action: deny, parameters: {from: {}, to: {}, unknown: open}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if _, err := loadGuardrails(&options{config: config}, nil, slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`msg="a guardrail leaves unproved what is unknown" guardrail=netpols-only countsAs=blocked reasons=[unmodelled-kind]`,
		`msg="a guardrail leaves unproved what is unknown" guardrail=lenient countsAs=open reasons=all`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "guardrail=strict") {
		t.Errorf("the log has a guardrail that leaves nothing unproved:\n%s", log.String())
	}
}

// What is watched is chosen at the start: another list is refused, and said.
func TestAChangeOfExtraWorkloadsNeedsARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(extra string) {
		t.Helper()
		text := "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: a, guardrail: default-deny, action: deny}\n" + extra
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("extraWorkloads: [argo-rollouts]\n")
	f, err := loadGuardrails(&options{config: file}, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	write("extraWorkloads: [{group: argoproj.io, version: v1alpha1, resource: rollouts, kind: Rollout, path: spec.template}]\n")
	if err := f.reload(); err != nil {
		t.Errorf("the same list, written in full: %v", err)
	}
	write("extraWorkloads: []\n")
	if err := f.reload(); err == nil || !strings.Contains(err.Error(), "extraWorkloads has changed") {
		t.Errorf("another list: %v", err)
	}
}

// So it is with Services, Ingresses and routes: a guardrail that needs them is refused where
// they are not watched, and one that does not is in force.
func TestAGuardrailThatNeedsEntriesNeedsARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(parameters string) {
		t.Helper()
		text := "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: a, guardrail: exposed-to-outside, action: deny, parameters: " + parameters + "}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() *guardrailFiles {
		t.Helper()
		f, err := loadGuardrails(&options{config: file}, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	write("{through: [default, ipBlock]}")
	f := load()
	if f.entries {
		t.Error("what netpols alone decide needs no Services")
	}
	write("{through: [default]}")
	if err := f.reload(); err != nil {
		t.Error(err)
	}
	write("{}")
	if err := f.reload(); err == nil || !strings.Contains(err.Error(), "restart podcullis-webhook") {
		t.Errorf("want a hint to restart, got %v", err)
	}
	if f = load(); !f.entries {
		t.Error("the server does not follow what the guardrail asks about")
	}
	write("{through: [ipBlock]}")
	if err := f.reload(); err != nil {
		t.Error(err)
	}
}
