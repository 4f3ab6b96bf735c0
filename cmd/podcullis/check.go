package main

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/audit"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

func (p *program) check() *cobra.Command {
	var sources sources
	outputs := outputs{formats: findingFormats()}
	var policyDirs []string
	var config string
	var failOnUnread, failOnUnmatched, verbose bool
	var failing failing
	var before []string
	c := &cobra.Command{
		Use:   "check -f FILE|DIR|- | --helm CHART | -k DIR | --context NAME [--config FILE] [--policy-dir DIR]",
		Short: "Judge manifests by guardrails",
		Long: `Judges everything in the manifests as if it were created in an empty cluster. With
--context, that is everything in the running cluster after the manifests are
applied onto it: a change to one object can open a path that another one shows.

With --before only the change from there to here is judged, as admission judges
it: what was open before is no finding, so that a pipeline does not fail for what
it does not touch. Both are a state as a whole; what is not in -f any more is gone.

Exit code 1 when a guardrail with action deny or warn is violated. Findings of
guardrails with action audit are listed, and do not count for the exit code, nor
does what is exempted. --fail-on deny lets warnings pass, and --fail-on never
everything; --min-severity does the same for what is less severe.

An object with a pod template at spec.template is a workload, whatever its kind.
What makes pods and shows no template (a Prometheus, a HelmRelease, an Argo CD
Application) is named as not looked at, and so is a guardrail or a netpol that
chooses nobody; --fail-on-unread and --fail-on-unmatched make that exit code 1.`,
		Example: `  podcullis check -f deploy/ --config guardrails.yaml
  podcullis check --helm ./chart --values prod.yaml --config guardrails.yaml
  podcullis check -k overlays/prod -o github -o sarif=findings.sarif
  podcullis check --context prod -f deploy/ --config guardrails.yaml
  podcullis check --before main/ -f branch/ --config guardrails.yaml --fail-on deny`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := outputs.parse(); err != nil {
				return err
			}
			if err := failing.validate(); err != nil {
				return err
			}
			p.prints = verbose
			engine, err := p.engine(config, policyDirs)
			if err != nil {
				return err
			}
			sources.entries = engine.NeedsEntries()
			sources.takeObjects()
			was, in, err := p.checked(c.Context(), &sources, before)
			if err != nil {
				return err
			}
			if err := p.takeIn(c.Context(), engine, &sources, in.set.Asides); err != nil {
				return err
			}
			p.sayNamed(in.snapshot, engine.AsksNamespaceLabels())
			for _, u := range engine.Unproved() {
				p.say("note: %s", u)
			}
			now := time.Now()
			for _, x := range engine.Exemptions() {
				if x.Expired(now) {
					p.say("note: exemption %s expired after %s and exempts nothing any more: %s", x.Name, x.Expires, x.Reason)
				}
			}
			found, evalErr := audit.ExamineSince(p.printing(c.Context()), engine, was, items(in.set), in.snapshot, guardrail.CLI, now)
			if errors.Is(evalErr, audit.ErrNothing) && in.idle() {
				evalErr = nil // which load has said
			}
			if errors.Is(evalErr, audit.ErrNothing) {
				return hint(evalErr, "look at exclude and match in the configuration, and at the namespaces of the manifests")
			}
			result := resultOf(found, in.set)
			result.FailOnUnread, result.FailOnUnmatched = failOnUnread, failOnUnmatched
			if err := outputs.write(p, findingWriters(result, now, func(w io.Writer) error { return p.page(w, in, config, result) })); err != nil {
				return err
			}
			if !outputs.toStdout("text", "wide", "markdown", "html") {
				p.remark(result.Remarks())
			}
			if evalErr != nil {
				return hint(evalErr, "what is listed above is incomplete: correct the guardrail, or its parameters")
			}
			return p.conclude(c, result, in, guardrailsNamed(engine), &failing)
		},
	}
	sources.addFlags(c)
	outputs.addFlags(c)
	failing.addFlags(c)
	p.addQuietFlag(c)
	c.Flags().StringArrayVar(&before, "before", nil, "what was there before: a `source`, as in diff; only what changed since is judged, and what was open already is not a finding; repeatable")
	c.Flags().StringVar(&config, "config", "", "the `file` that says which guardrails apply to what; without it, the embedded default")
	c.Flags().StringArrayVar(&policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show what print(...) writes in guardrails, each line with guardrail and object")
	p.addBundleFlags(c)
	c.Flags().BoolVar(&failOnUnread, "fail-on-unread", false, "exit code 1 when something makes pods and could not be looked at")
	c.Flags().BoolVar(&failOnUnmatched, "fail-on-unmatched", false, "exit code 1 when from, to or match of a guardrail or an exemption chooses nobody, or a NetworkPolicy selects no pod")
	return c
}

// engine reads the configuration and the guardrails.
func (p *program) engine(file string, dirs []string) (*guardrail.Engine, error) {
	engine, _, err := p.configured(file, dirs)
	return engine, err
}

// configured is engine, with the kinds of other APIs that make pods.
func (p *program) configured(file string, dirs []string) (*guardrail.Engine, []cluster.Custom, error) {
	if p.bundle != nil {
		engine, err := p.bundleEngine()
		if err != nil {
			return nil, nil, err
		}
		config, err := p.bundle.Config()
		if err != nil {
			return nil, nil, err
		}
		return engine, config.Custom(), nil
	}
	name := file
	if file == "" {
		name = "default.yaml (embedded)"
	}
	load := guardrail.LoadLibrary
	if p.prints {
		load = guardrail.LoadLibraryForAuthors
	}
	library, err := libraryBy(load, dirs)
	if err != nil {
		return nil, nil, err
	}
	config, objects, err := readConfig(file)
	if err != nil {
		return nil, nil, err
	}
	engine, err := guardrail.New(library, config)
	if err == nil {
		err = p.extend(engine, objects)
	}
	if err != nil {
		if preset := p.presetIn(config, library); preset != "" {
			return nil, nil, hint(err, "%s is a preset: `%s guardrails show %s` prints its entries", preset, p.name, preset)
		}
		return nil, nil, hint(err, "correct the configuration; `%s explain GUARDRAIL` shows which parameters a guardrail takes", p.name)
	}
	if len(engine.Guardrails()) == 0 {
		return nil, nil, hint(errors.New(name+": no guardrails are configured: nothing to evaluate"), "list at least one under guardrails")
	}
	if file == "" {
		p.say("note: no --config was given: the embedded default holds (default-deny for every workload outside the kube- namespaces)")
	}
	return engine, config.Custom(), nil
}

// library compiles the embedded guardrails and those of the directories.
func library(dirs []string) (*guardrail.Library, error) {
	return libraryBy(guardrail.LoadLibrary, dirs)
}

func libraryBy(load func(...guardrail.Source) (*guardrail.Library, error), dirs []string) (*guardrail.Library, error) {
	sources := []guardrail.Source{{Name: "embedded", FS: policies.FS}}
	for _, d := range dirs {
		if info, err := os.Stat(d); err != nil {
			return nil, hint(err, "--policy-dir names a directory with *.rego files")
		} else if !info.IsDir() {
			return nil, hint(errors.New(d+": is not a directory"), "--policy-dir names a directory with *.rego files")
		}
		sources = append(sources, guardrail.Source{Name: d, FS: os.DirFS(d)})
	}
	l, err := load(sources...)
	if err != nil {
		return nil, hint(err, "correct the Rego")
	}
	return l, nil
}

func items(set *manifest.Set) []audit.Item {
	out := make([]audit.Item, 0, len(set.Objects))
	for _, o := range set.Objects {
		out = append(out, audit.Item{GroupVersionKind: o.GroupVersionKind, Namespace: o.Namespace, Name: o.Name, JSON: o.JSON, Object: o.Model})
	}
	return out
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return hint(errors.New("unexpected argument "+args[0]), "manifests are named by -f: `%s -f %s`", c.CommandPath(), args[0])
}
