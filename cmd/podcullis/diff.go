package main

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

func (p *program) diff() *cobra.Command {
	var sources sources
	var before, after []string
	var network network
	var filter filter
	var entrances bool
	outputs := outputs{formats: []string{"text", "wide", "json", "yaml", "csv", "markdown", "name"}}
	c := &cobra.Command{
		Use:   "diff -f OLD -f NEW | --before SRC... --after SRC... | --context NAME -f NEW",
		Short: "Say which connections a change opens, closes or changes",
		Long: `Compares two versions of a cluster, connection by connection: which were added,
which removed, and which gained or lost ports, each with its cause: the netpol that
opened or closed it, or else the labels that changed. -o wide adds the netpol rules
that open it, or opened it before.

Two versions are compared as they stand, each as a cluster of its own: what only
OLD has is gone in NEW. OLD and NEW, and each SRC, are a file, a directory, - for
standard input, a Helm chart or a kustomization; a directory is a chart when it
has a Chart.yaml, and built when it has a kustomization. A SRC is also a running
cluster, context=NAME, onto which the others of its side are applied.

What is said about charts by --values and the like holds for both versions. One of
them gets its own after a comma: CHART,values=FILE, and release=NAME, namespace=NAME,
set=KEY=VALUE and set-string=KEY=VALUE in the same way.

With --context the running cluster is compared with itself after everything else
that is given is applied onto it: an object replaces the one of the same kind,
namespace and name, or is added; nothing is deleted. The pods of a workload whose
template changes make way for its new ones.

Only connections are compared: that other rules open the same ports is no
difference. With --entrances Services, Ingresses and routes are read, too, and what
they newly lead to from outside the cluster is told, or lead to no more. Exit code 1
when there is a difference, 0 when there is none.`,
		Example: `  podcullis diff -f old/ -f new/
  podcullis diff --before base/ --after base/ --after extra.yaml --to shop/db
  podcullis diff --before charts/shop-1.4.tgz --after charts/shop --values prod.yaml
  podcullis diff --before charts/shop --after charts/shop,values=prod.yaml
  podcullis diff --before context=staging --after context=prod
  podcullis diff --context prod -f deploy/ -o text -o markdown=comment.md`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := outputs.parse(); err != nil {
				return err
			}
			options, err := network.options()
			if err != nil {
				return err
			}
			sources.entries = entrances
			was, is, err := p.versions(c.Context(), &sources, before, after)
			if err != nil {
				return err
			}
			if err := filter.resolve(is.snapshot, was.snapshot); err != nil {
				return err
			}
			list := connectivity.Turned(filter.differences(connectivity.Diff(was.snapshot, is.snapshot, options)))
			list = connectivity.WithCauses(list, was.snapshot, is.snapshot, options)
			var ways report.Entrances
			if entrances {
				ways = filter.entrances(was.snapshot, is.snapshot, options)
			}
			by := writers{
				"text":     func(w io.Writer, s report.Style) error { return p.fitted(report.DiffTable(w, list, false, s)) },
				"wide":     func(w io.Writer, s report.Style) error { _, err := report.DiffTable(w, list, true, s); return err },
				"csv":      func(w io.Writer, _ report.Style) error { return report.DiffCSV(w, list) },
				"name":     func(w io.Writer, _ report.Style) error { return report.DiffNames(w, list) },
				"json":     func(w io.Writer, _ report.Style) error { return report.DiffJSON(w, list) },
				"yaml":     func(w io.Writer, _ report.Style) error { return report.DiffYAML(w, list) },
				"markdown": func(w io.Writer, _ report.Style) error { return report.DiffMarkdown(w, list) },
			}
			if entrances {
				by = p.withEntrances(by, list, ways)
			}
			if err := outputs.write(p, by); err != nil {
				return err
			}
			if entrances {
				p.say("ways in from outside: %s", ways.Count())
			}
			if len(list) == 0 && !ways.Empty() {
				p.say("no connection differs by NetworkPolicies")
				return errViolations
			}
			if len(list) == 0 {
				if sources.charted() && len(before) > 0 {
					p.say("note: --values and --set hold for both versions; CHART,values=FILE and CHART,set=KEY=VALUE are about one of them")
				}
				p.say("no connection differs")
				return nil
			}
			p.say("%s: %s", number(len(list), "connection"), report.Count(list))
			return errViolations
		},
	}
	sources.addFlags(c)
	c.Flags().StringArrayVar(&before, "before", nil, "the old version: a `source`; repeatable")
	c.Flags().StringArrayVar(&after, "after", nil, "the new version: a `source`; repeatable")
	c.Flags().BoolVar(&entrances, "entrances", false, "tell also what Services, Ingresses and routes newly lead to from outside the cluster, or no more")
	filter.addFlags(c)
	network.addFlags(c)
	outputs.addFlags(c)
	return c
}

// versions loads what is compared.
func (p *program) versions(ctx context.Context, s *sources, before, after []string) (was, is input, err error) {
	given := len(s.files) + len(s.kustomizations) + len(s.charts)
	pair := len(before)+len(after) > 0
	switch {
	case s.live() && pair:
		return was, is, hint(errors.New("--context is compared with what is applied onto it, and takes no --before and no --after"), "name what is applied with -f, -k or --helm")
	case s.live() && given == 0:
		return was, is, hint(errors.New("a running cluster was given, and nothing to compare it with"), "name what is applied onto it with -f, -k or --helm")
	case s.live():
		return p.applied(ctx, s)
	case pair && given > 0:
		return was, is, hint(errors.New("--before and --after name both versions, and -f, -k and --helm name others"), "name every source with --before or --after")
	case pair && (len(before) == 0 || len(after) == 0):
		return was, is, hint(errors.New("--before and --after belong together"), "name both versions: --before OLD --after NEW")
	case !pair && given == 2 && len(s.files) == 2:
		before, after = s.files[:1], s.files[1:]
	case !pair && given == 2 && len(s.charts) == 2:
		before, after = s.charts[:1], s.charts[1:]
	case !pair && given == 2 && len(s.kustomizations) == 2:
		before, after = s.kustomizations[:1], s.kustomizations[1:]
	case !pair:
		return was, is, hint(errors.New("want two versions: "+number(given, "source")+" given"), "`%s diff -f OLD -f NEW`, or several of each with --before and --after, or one running cluster with --context", p.name)
	}
	if slices.Contains(before, "-") && slices.Contains(after, "-") {
		return was, is, hint(errors.New("standard input cannot be both versions"), "put one of them in a file")
	}
	oldSources, err := s.of("before", before)
	if err != nil {
		return was, is, err
	}
	newSources, err := s.of("after", after)
	if err != nil {
		return was, is, err
	}
	if err := together(s, oldSources, newSources); err != nil {
		return was, is, err
	}
	if was, err = p.gather(ctx, oldSources); err != nil {
		return was, is, err
	}
	is, err = p.gather(ctx, newSources)
	return was, is, err
}

// together checks the flags about both versions, and names releases alike in them.
func together(s, before, after *sources) error {
	all := *s
	all.files = slices.Concat(before.files, after.files)
	all.kustomizations = slices.Concat(before.kustomizations, after.kustomizations)
	all.charts = slices.Concat(before.charts, after.charts)
	if len(before.charts) > 1 || len(after.charts) > 1 {
		before.chart.NamedAfterChart, after.chart.NamedAfterChart = true, true
	}
	return all.validate()
}

// applied is a running cluster, and what it is after the rest is applied.
func (p *program) applied(ctx context.Context, s *sources) (was, is input, err error) {
	if err := s.validate(); err != nil {
		return was, is, err
	}
	p.inContext(s)
	set, err := p.read(ctx, s)
	if err != nil {
		return was, is, err
	}
	running, err := s.running(ctx)
	if err != nil {
		return was, is, err
	}
	if was, err = p.modelled(running); err != nil {
		return was, is, err
	}
	is, err = p.modelled(set.Over(running))
	return was, is, err
}
