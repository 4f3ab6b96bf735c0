package main

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/guardrail"
)

// inputs are what a review was given, for the command that its answer advises.
type inputs struct {
	sources *sources
	passed  []step // the changes that were made
	step    *step  // the one that is judged; nil for one out of an AdmissionReview
}

func (in *inputs) judge(s *step) {
	if in != nil {
		in.step = s
	}
}

func (in *inputs) pass(s step) {
	if in != nil {
		in.passed = append(in.passed, s)
	}
}

// flags are those by which `podcullis explain` sees the cluster after the change, or, where
// no flags say that, as it was given: not changed.
func (in *inputs) flags() (text string, changed bool) {
	given := in.sources.flags()
	steps := slices.Clone(in.passed)
	if in.step == nil {
		return shellWords(given), false
	}
	for _, s := range append(steps, *in.step) {
		file := ""
		if s.is != nil && !s.is.Location.Rendered {
			file = s.is.Location.File
		}
		// Files replace what a running cluster has, and one another never.
		if file == "" || file == "-" || s.was != nil && !in.sources.live() {
			return shellWords(given), false
		}
		if !slices.Contains(given, file) {
			given = append(given, "-f", file)
		}
	}
	return shellWords(given), true
}

// flags are the sources as they were given.
func (s *sources) flags() []string {
	var out []string
	add := func(flag string, values ...string) {
		for _, v := range values {
			if v != "" {
				out = append(out, flag, v)
			}
		}
	}
	add("--context", s.context)
	add("--kubeconfig", s.kubeconfig)
	add("-f", s.files...)
	add("-k", s.kustomizations...)
	add("--helm", s.charts...)
	add("--values", s.chart.Values...)
	add("--set", s.chart.Set...)
	add("--set-string", s.chart.SetString...)
	if s.chart.Hooks {
		out = append(out, "--hooks")
	}
	add("--release-name", s.chart.ReleaseName)
	add("--release-namespace", s.chart.Namespace)
	add("--kube-version", s.chart.KubeVersion)
	add("--api-versions", s.chart.APIVersions...)
	add("--default-namespace", s.defaultNamespace)
	add("--exclude", s.excludes...)
	return out
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellWords is the text that a shell takes for these words.
func shellWords(list []string) string {
	quoted := make([]string, 0, len(list))
	for _, w := range list {
		if !plainWord.MatchString(w) {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		quoted = append(quoted, w)
	}
	return strings.Join(quoted, " ")
}

// pointed is an engine whose decisions name what the command was given, if that is known.
type pointed struct {
	*guardrail.Engine
	inputs *inputs
}

// Evaluate implements webhook.Evaluator.
func (p pointed) Evaluate(ctx context.Context, r guardrail.Review) (guardrail.Decision, error) {
	d, err := p.Engine.Evaluate(ctx, r)
	if p.inputs != nil {
		flags, changed := p.inputs.flags()
		d.Inputs, d.Unchanged = flags, !changed
	}
	return d, err
}
