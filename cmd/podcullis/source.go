package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/render"
)

// source is one place that objects come from and what is said about it alone:
// PATH,KEY=VALUE,... or, for a running cluster, context=NAME.
type source struct {
	path                   string
	release, namespace     string
	values, set, setString []string
	context, kubeconfig    string
	options                []string // that were given
}

// sourceOptions are what can be said about one source.
func sourceOptions() []string {
	return []string{"release", "namespace", "values", "set", "set-string", "context", "kubeconfig"}
}

var (
	sourceOption = regexp.MustCompile(`(?:^|,)(release|namespace|values|set|set-string|context|kubeconfig)=`)
	anyOption    = regexp.MustCompile(`,([a-z-]+)=`)
)

// parseSource reads the value of a flag. What is there as a path is one, whatever
// it looks like.
func parseSource(flag, text string) (source, error) {
	var s source
	if _, err := os.Stat(text); err == nil || text == "-" {
		s.path = text
		return s, nil
	}
	at := sourceOption.FindAllStringSubmatchIndex(text, -1)
	if len(at) == 0 {
		s.path = text
	} else {
		s.path = text[:at[0][0]]
	}
	if unknown := anyOption.FindStringSubmatch(s.path); unknown != nil {
		return s, hint(fmt.Errorf("--%s %s: there is no such path, and no option %s", flag, text, unknown[1]), "a source is PATH or PATH,KEY=VALUE,... with the keys %s", strings.Join(sourceOptions(), ", "))
	}
	for i, a := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		key, value := text[a[2]:a[3]], text[a[1]:end]
		if value == "" {
			return s, hint(fmt.Errorf("--%s %s: %s= has no value", flag, text, key), "a source is PATH or PATH,KEY=VALUE,... with the keys %s", strings.Join(sourceOptions(), ", "))
		}
		s.option(key, value)
	}
	if live := s.context + s.kubeconfig; (live != "") == (s.path != "") || live != "" && len(s.only("context", "kubeconfig")) > 0 {
		return s, hint(fmt.Errorf("--%s %s: is neither a path nor a running cluster", flag, text), "a path with options is PATH,KEY=VALUE; a running cluster is context=NAME or kubeconfig=FILE, or both with a comma between them")
	}
	return s, nil
}

func (s *source) option(key, value string) {
	s.options = append(s.options, key)
	switch key {
	case "release":
		s.release = value
	case "namespace":
		s.namespace = value
	case "values":
		s.values = append(s.values, value)
	case "set":
		s.set = append(s.set, value)
	case "set-string":
		s.setString = append(s.setString, value)
	case "context":
		s.context = value
	case "kubeconfig":
		s.kubeconfig = value
	}
}

// only returns the options that were given besides some that are fine.
func (s *source) only(fine ...string) []string {
	return slices.DeleteFunc(slices.Clone(s.options), func(o string) bool { return slices.Contains(fine, o) })
}

// kustomized builds a kustomization.
func (s *sources) kustomized(text string) ([]manifest.Text, error) {
	one, err := parseSource("kustomize", text)
	if err != nil {
		return nil, err
	}
	if other := one.only("namespace"); len(other) > 0 {
		return nil, hint(fmt.Errorf("%s: a kustomization takes no %s", text, other[0]), "the only option of one is namespace=NAME, for objects that name none")
	}
	texts, err := render.Kustomization(one.path)
	switch {
	case errors.Is(err, render.ErrHelmCharts):
		return nil, hint(err, "kustomize build --enable-helm %s | podcullis ... -f -", one.path)
	case err != nil:
		return nil, hint(err, "-k names a directory with a kustomization.yaml; `kubectl kustomize %s` should build it", one.path)
	}
	for i := range texts {
		texts[i].Namespace = one.namespace
	}
	return texts, nil
}

// rendered renders a chart with what all charts are rendered with, and its own.
func (s *sources) rendered(ctx context.Context, text string) ([]manifest.Text, error) {
	one, err := parseSource("helm", text)
	if err != nil {
		return nil, err
	}
	if one.context+one.kubeconfig != "" {
		return nil, hint(fmt.Errorf("--helm %s: a chart is rendered without a cluster", text), "a running cluster is named by --context and --kubeconfig, or by --before and --after")
	}
	c := s.chart
	c.Path = one.path
	c.Values = slices.Concat(c.Values, one.values)
	c.Set, c.SetString = slices.Concat(c.Set, one.set), slices.Concat(c.SetString, one.setString)
	c.NamedAfterChart = c.NamedAfterChart || len(s.charts) > 1
	if one.release != "" {
		c.ReleaseName = one.release
	}
	switch {
	case one.namespace != "":
		c.Namespace = one.namespace
	case c.Namespace == "":
		c.Namespace = s.defaultNamespace
	}
	texts, err := c.Render(ctx)
	if err != nil && strings.Contains(one.path, "://") {
		return nil, hint(err, "charts are read from this machine: `helm pull %s` first", one.path)
	}
	if err != nil {
		return nil, hint(err, "--helm names a chart, a directory or a .tgz; `helm template %s` with the same values should render it", one.path)
	}
	return texts, nil
}

// of is some sources, each for what it is, with the settings of s.
func (s *sources) of(flag string, texts []string) (*sources, error) {
	out := &sources{chart: s.chart, defaultNamespace: s.defaultNamespace, excludes: s.excludes, entries: s.entries, asideIf: s.asideIf}
	for _, text := range texts {
		one, err := parseSource(flag, text)
		if err != nil {
			return nil, err
		}
		switch {
		case one.path == "" && out.live():
			return nil, hint(fmt.Errorf("--%s: two running clusters are one version", flag), "name one of them")
		case one.path == "":
			out.context, out.kubeconfig = one.context, one.kubeconfig
		case render.IsChart(one.path):
			out.charts = append(out.charts, text)
		case render.IsKustomization(one.path):
			out.kustomizations = append(out.kustomizations, text)
		case len(one.options) > 0:
			return nil, hint(fmt.Errorf("--%s %s: %s= is about a chart or a kustomization, and this is none", flag, text, one.options[0]), "--default-namespace is for objects of files that name no namespace")
		default:
			out.files = append(out.files, one.path)
		}
	}
	return out, nil
}

// charted tells whether something is said about the values of all charts.
func (s *sources) charted() bool {
	return len(s.chart.Values)+len(s.chart.Set)+len(s.chart.SetString) > 0
}
