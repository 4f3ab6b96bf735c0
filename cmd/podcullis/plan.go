package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/audit"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/plan"
	"github.com/podcullis/podcullis/report"
)

type planOptions struct {
	sources    sources
	edits      edits
	outputs    outputs
	policyDirs []string
	config     string
	prune      bool
}

func (p *program) plan() *cobra.Command {
	o := planOptions{outputs: outputs{formats: []string{"text", "json", "yaml", "csv", "markdown", "name", "argocd", "flux"}}}
	c := &cobra.Command{
		Use:   "plan -f FILE|DIR|- | --helm CHART | -k DIR | --context NAME  --apply FILE|DIR [--prune] | --create FILE | --update FILE | --delete FILE|KIND/NS/NAME",
		Short: "Judge a change of many objects as one, and find the order that keeps every guardrail",
		Long: fmt.Sprintf(`Takes several changes for one, as a directory that is applied or a GitOps sync.
First the whole is judged: from what is there to what will be. Then an order of
its objects is looked for in which each of them is allowed by itself, so that no
state between opens a path that must stay shut or closes one that must be there.
Objects in one wave may go in any order.

-o argocd prints the order as sync-waves, a kustomization's patches, and -o flux
as Kustomizations that depend on each other. -o name prints the objects in the order
of the waves, a line each, and nothing where there is no order.

Where there is no order all have been tried, and what waits for each other is
named. That is sure for up to %d objects that matter: such that change the model.
With more an order is still looked for, within a bound, and if none is found it
says that it gave up.

Exit code 0 with an order, 1 when the whole is denied or there is no order, 2 when
that could not be told.`, plan.MaxObjects),
		Example: `  podcullis plan -f main/ --apply branch/ --prune --config guardrails.yaml
  podcullis plan --context prod --apply deploy/ --config guardrails.yaml -o argocd=waves.yaml
  podcullis plan -f deploy/ --update web.yaml --update netpols.yaml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.order(c.Context(), &o) },
	}
	o.sources.addFlags(c)
	o.edits.addFlags(c)
	o.outputs.addFlags(c)
	f := c.Flags()
	f.BoolVar(&o.prune, "prune", false, "delete what is there and not in --apply, as a GitOps sync that prunes")
	f.StringVar(&o.config, "config", "", "the `file` that says which guardrails apply to what; without it, the embedded default")
	f.StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
	p.addBundleFlags(c)
	p.addQuietFlag(c)
	return c
}

func (p *program) order(ctx context.Context, o *planOptions) error {
	if err := o.outputs.parse(); err != nil {
		return err
	}
	switch {
	case !o.edits.given():
		return hint(errNoChange, "name it with --apply FILE|DIR, --create FILE, --update FILE or --delete FILE|KIND/NAMESPACE/NAME")
	case o.prune && o.sources.live():
		return hint(errors.New("--prune would delete all of the running cluster that is not in --apply"), "name what goes with --delete, or give what was applied last with -f in place of --context")
	case o.prune && len(o.edits.apply) == 0:
		return hint(errors.New("--prune is about what is not in --apply, and that was not given"), "name it with --apply DIR")
	}
	engine, custom, err := p.configured(o.config, o.policyDirs)
	if err != nil {
		return err
	}
	o.sources.entries = engine.NeedsEntries()
	in, err := p.load(ctx, &o.sources)
	if err != nil {
		return err
	}
	steps, err := p.steps(ctx, &o.edits, &o.sources, in.set)
	if err != nil {
		return err
	}
	if o.prune {
		steps = append(steps, pruned(in.set.Objects, steps)...)
	}
	if err := distinct(steps); err != nil {
		return err
	}
	o.edits.requester.makes(steps)
	found, err := planned(ctx, engine, custom, in, steps)
	if err != nil {
		return err
	}
	if err := o.outputs.write(p, writers{
		"text":     func(w io.Writer, _ report.Style) error { return found.text(w) },
		"json":     func(w io.Writer, _ report.Style) error { return found.json(w) },
		"yaml":     func(w io.Writer, _ report.Style) error { return asYAML(w, found.json) },
		"csv":      func(w io.Writer, _ report.Style) error { return found.list().CSV(w) },
		"markdown": func(w io.Writer, _ report.Style) error { return found.list().Markdown(w) },
		"name":     func(w io.Writer, _ report.Style) error { return found.names(w) },
		"argocd":   func(w io.Writer, _ report.Style) error { return found.argocd(w) },
		"flux":     func(w io.Writer, _ report.Style) error { return found.flux(w) },
	}); err != nil {
		return err
	}
	return p.concludePlan(found, guardrailsNamed(engine))
}

// distinct refuses two changes of one object: a plan has an order of objects.
func distinct(steps []step) error {
	seen := map[cluster.Ref]step{}
	for _, s := range steps {
		ref := s.object().Ref()
		if other, ok := seen[ref]; ok {
			return hint(fmt.Errorf("%s is changed twice: %s and %s", ref, other.object().Location, s.object().Location), "a plan takes each object once; `podcullis review` judges changes one after the other")
		}
		seen[ref] = s
	}
	return nil
}

// wholePlan is what is told about a change of many objects.
type wholePlan struct {
	steps []step
	// whole is what is denied of the change as one; then no order is looked for.
	whole []audit.Finding
	*plan.Plan
}

// planned judges the whole, and finds an order.
func planned(ctx context.Context, engine *guardrail.Engine, custom []cluster.Custom, in input, steps []step) (*wholePlan, error) {
	out := &wholePlan{steps: slices.Clone(steps), Plan: &plan.Plan{}}
	now := time.Now()
	after, err := applied(in, steps)
	if err != nil {
		return nil, err
	}
	was := &audit.Earlier{Items: items(in.set), Snapshot: in.snapshot}
	found, err := audit.ExamineSince(ctx, engine, was, after.items, after.snapshot, guardrail.CLI, now)
	if errors.Is(err, audit.ErrNothing) {
		return nil, hint(err, "look at exclude and match in the configuration, and at the namespaces of the manifests")
	}
	if err != nil {
		return nil, hint(err, "correct the guardrail, or its parameters")
	}
	for _, f := range found.Findings {
		if f.Action == guardrail.Deny {
			out.whole = append(out.whole, f)
		}
	}
	if len(out.whole) > 0 {
		return out, nil
	}
	var planned []plan.Step
	for _, s := range steps {
		planned = append(planned, plan.Step{Review: guardrail.Review{Request: s.request(), Change: s.change(), Time: now}})
	}
	follows := following(in.set.Objects, steps)
	for _, i := range slices.Sorted(maps.Keys(follows)) {
		wait := plan.Step{Wait: true, Of: i}
		for _, o := range follows[i] {
			wait.Gone = append(wait.Gone, cluster.Change{Before: o.Model})
		}
		planned = append(planned, wait)
		out.steps = append(out.steps, step{waitsFor: &steps[i], gone: follows[i]})
	}
	if out.Plan, err = plan.New(ctx, engine, in.snapshot, planned); err != nil {
		return nil, hint(err, "correct the guardrail, or its parameters")
	}
	return out, out.confirmed(ctx, &door{engine: engine, custom: custom, snapshot: in.snapshot})
}

// confirmed goes through the order once more by the webhook's own judge, which knows of
// more than the guardrails: namespaces that end, and requests that it cannot read.
func (w *wholePlan) confirmed(ctx context.Context, d *door) error {
	for _, wave := range w.Waves {
		for _, i := range wave {
			if w.steps[i].waitsFor != nil {
				if err := d.wait(w.steps[i]); err != nil {
					return err
				}
				continue
			}
			a, err := d.step(ctx, w.steps[i])
			if err != nil {
				return err
			}
			if !a.response.Allowed {
				return hint(fmt.Errorf("%s: %s", w.steps[i].title(), a.message()), "the guardrails allow this step and the webhook does not: leave it out of the plan, and ask `podcullis review` about it alone")
			}
		}
	}
	return nil
}

// wait lets go what follows of a step.
func (d *door) wait(s step) error {
	var changes []cluster.Change
	for _, o := range s.gone {
		changes = append(changes, cluster.Change{Before: o.Model})
	}
	after, err := d.snapshot.Apply(changes...)
	if err == nil {
		d.snapshot = after
	}
	return err
}

func (p *program) concludePlan(w *wholePlan, guardrails string) error {
	matter := len(w.steps) - len(w.Free)
	switch {
	case len(w.whole) > 0:
		p.say("%s, %s: denied as a whole", number(w.changes(), "change"), guardrails)
		return errViolations
	case w.Conflict != nil:
		p.say("%s, %s: no order (%s tried)", number(w.changes(), "change"), guardrails, number(w.Tried, "step"))
		return errViolations
	case w.GaveUp:
		return hint(fmt.Errorf("gave up after %s: %s matter, and all orders are tried for up to %d", number(w.Tried, "step"), number(matter, "object"), plan.MaxObjects), "plan a part of the change, such as one namespace")
	}
	p.say("%s, %s: allowed in %s (%s tried)", number(w.changes(), "change"), guardrails, number(len(w.Waves), "wave"), number(w.Tried, "step"))
	return nil
}
