package main

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/cluster"
)

// words are what the flags take that take one of a few words.
func words() map[string][]string {
	return map[string][]string{
		"expect": {"open", "blocked"}, "by": {"workload", "namespace"}, "only": {onlyChanged, onlyViolations},
		"fail-on": {"deny", "warn", "never"}, "min-severity": severities(), "stamp": {"now"}, "about": {"object", "connectivity"}, "severity": severities(),
	}
}

// complete tells the shell what may follow: formats, files, and the workloads, namespaces
// and guardrails of what was named so far.
func (p *program) complete(root *cobra.Command) {
	for _, c := range root.Commands() {
		if c.HasSubCommands() {
			p.complete(c)
			continue
		}
		offer := func(flag string, of func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)) {
			if c.Flags().Lookup(flag) != nil {
				_ = c.RegisterFlagCompletionFunc(flag, of) // it is there, and nobody has registered another
			}
		}
		for flag, list := range words() {
			offer(flag, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
		}
		offer("config", extensions("yaml", "yml"))
		offer("values", extensions("yaml", "yml"))
		for _, flag := range []string{"kustomize", "policy-dir", "dir"} {
			offer(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
				return nil, cobra.ShellCompDirectiveFilterDirs
			})
		}
		for _, flag := range []string{"from", "to"} {
			offer(flag, func(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
				return beginning(p.workloadNames(c), begun), cobra.ShellCompDirectiveNoFileComp
			})
		}
		offer("namespace", func(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			return beginning(p.namespaceNames(c), begun), cobra.ShellCompDirectiveNoFileComp
		})
		switch c.Name() {
		case "explain":
			c.ValidArgsFunction = p.explainable
		case "eval":
			c.ValidArgsFunction = func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
				if len(args) > 0 {
					return nil, cobra.ShellCompDirectiveNoFileComp
				}
				return beginning(p.guardrailNames(c), begun), cobra.ShellCompDirectiveNoFileComp
			}
		case "show":
			c.ValidArgsFunction = func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
				return beginning(slices.DeleteFunc(p.libraryNames(c), func(n string) bool { return slices.Contains(args, n) }), begun), cobra.ShellCompDirectiveNoFileComp
			}
		case "test":
			c.ValidArgsFunction = extensions("rego")
		default:
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}

func extensions(list ...string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveFilterFileExt
	}
}

// explainable are the arguments of explain: workloads, and as the first a guardrail.
func (p *program) explainable(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := slices.DeleteFunc(p.workloadNames(c), func(n string) bool { return slices.Contains(args, n) })
	if len(args) == 0 {
		names = append(names, p.guardrailNames(c)...)
	}
	return beginning(names, begun), cobra.ShellCompDirectiveNoFileComp
}

func beginning(names []string, begun string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, begun) })
}

// snapshot is that of the manifests that a command line names so far; nil where they cannot
// be read. A running cluster is not asked for a completion.
func (p *program) snapshot(c *cobra.Command) *cluster.Snapshot {
	list := func(flag string) []string { l, _ := c.Flags().GetStringArray(flag); return l }
	s := sources{files: list("filename"), kustomizations: list("kustomize"), charts: list("helm"), excludes: list("exclude")}
	s.files = append(s.files, slices.Concat(list("before"), list("after"))...)
	if !s.manifests() || slices.Contains(s.files, "-") {
		return nil
	}
	quiet := &program{name: p.name, stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, quiet: true}
	in, err := quiet.load(c.Context(), &s)
	if err != nil {
		return nil
	}
	return in.snapshot
}

func (p *program) workloadNames(c *cobra.Command) []string {
	var out []string
	if s := p.snapshot(c); s != nil {
		for w := range s.AllWorkloads() {
			out = append(out, w.Ref.String())
		}
	}
	return out
}

func (p *program) namespaceNames(c *cobra.Command) []string {
	var out []string
	if s := p.snapshot(c); s != nil {
		for w := range s.AllWorkloads() {
			out = append(out, w.Namespace)
		}
	}
	return slices.Compact(out)
}

// libraryNames are the guardrails and presets that can be shown.
func (p *program) libraryNames(c *cobra.Command) []string {
	dirs, _ := c.Flags().GetStringArray("policy-dir")
	all, _ := p.catalog(dirs)
	var out []string
	for _, e := range all {
		out = append(out, e.ID)
	}
	return out
}

// guardrailNames are those of the configuration, and those that ship.
func (p *program) guardrailNames(c *cobra.Command) []string {
	dirs, _ := c.Flags().GetStringArray("policy-dir")
	var out []string
	if config, _ := c.Flags().GetString("config"); config != "" {
		quiet := &program{name: p.name, stderr: io.Discard, quiet: true}
		if engine, err := quiet.engine(config, dirs); err == nil {
			out = engine.Guardrails()
		}
	}
	if l, err := library(dirs); err == nil {
		for _, g := range l.Guardrails() {
			out = append(out, g.ID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
