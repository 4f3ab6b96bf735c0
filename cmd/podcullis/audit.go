package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/audit"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
)

type auditOptions struct {
	sources                       sources
	outputs                       outputs
	failing                       failing
	policyDirs                    []string
	config                        string
	baseline, writeBaseline       string
	failOnUnread, failOnUnmatched bool
}

func (p *program) audit() *cobra.Command {
	o := auditOptions{outputs: outputs{formats: findingFormats()}}
	c := &cobra.Command{
		Use:   "audit --context NAME | -f FILE|DIR|- | --helm CHART | -k DIR [--config FILE] [--policy-dir DIR] [--baseline FILE]",
		Short: "Find what is wrong already, in a running cluster or in files",
		Long: `Judges all that is there by every guardrail, on the webhook's engine and in its
words. Admission judges changes; this is for what was there before, and for what
got in while nobody was asked. Reading a cluster takes list in every namespace,
and nothing is written to it.

Beside violations it tells: exemptions that are in use or have expired; guardrails,
exemptions and NetworkPolicies that choose nobody; objects of other policy APIs,
which NetworkPolicies say nothing about; what makes pods and was not looked at; and of
a running cluster a network that ignores NetworkPolicies, or parts of them that are in
use, and NetworkPolicies that add nothing or name what is not there (see doctor).

--write-baseline writes down what there is, as known; with --baseline only what
came since counts, and what the file names and is gone is told. A finding is known
again by its guardrail, its object and what it says, wherever it stands in which file.

Exit code 1 when a guardrail with action deny or warn is violated; --fail-on and
--min-severity say what counts, as in check. 2 when something could not be judged:
then no baseline is written.`,
		Example: `  podcullis audit --context prod --config guardrails.yaml
  podcullis audit --context prod --config guardrails.yaml -o text -o html=audit.html -o csv=audit.csv
  podcullis audit -f deploy/ --config guardrails.yaml --write-baseline podcullis-baseline.json
  podcullis audit -f deploy/ --config guardrails.yaml --baseline podcullis-baseline.json --fail-on deny`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.auditAll(c, &o) },
	}
	o.sources.addFlags(c)
	o.outputs.addFlags(c)
	o.failing.addFlags(c)
	p.addQuietFlag(c)
	f := c.Flags()
	f.StringVar(&o.config, "config", "", "the `file` that says which guardrails apply to what; without it, the embedded default")
	f.StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
	p.addBundleFlags(c)
	f.StringVar(&o.baseline, "baseline", "", "a `file` of --write-baseline: what it names is known, and does not count")
	f.StringVar(&o.writeBaseline, "write-baseline", "", "write what there is to this `file`, as known: it does not count any more, unless --baseline says what is new")
	f.BoolVar(&o.failOnUnread, "fail-on-unread", false, "exit code 1 when something makes pods and could not be looked at")
	f.BoolVar(&o.failOnUnmatched, "fail-on-unmatched", false, "exit code 1 when from, to or match of a guardrail or an exemption chooses nobody, or a NetworkPolicy selects no pod")
	return c
}

func (p *program) auditAll(c *cobra.Command, o *auditOptions) error {
	began := time.Now()
	if err := o.outputs.parse(); err != nil {
		return err
	}
	if err := o.failing.validate(); err != nil {
		return err
	}
	known, err := readBaseline(o.baseline)
	if err != nil {
		return err
	}
	engine, err := p.engine(o.config, o.policyDirs)
	if err != nil {
		return err
	}
	bar := p.progress("reading")
	o.sources.entries = engine.NeedsEntries()
	o.sources.takeObjects()
	in, err := p.load(c.Context(), &o.sources)
	bar.end()
	if err != nil {
		return err
	}
	if err := p.takeIn(c.Context(), engine, &o.sources, in.set.Asides); err != nil {
		return err
	}
	p.sayNamed(in.snapshot, engine.AsksNamespaceLabels())
	for _, u := range engine.Unproved() {
		p.say("note: %s", u)
	}
	result, evalErr := p.everything(c.Context(), engine, in, began)
	if errors.Is(evalErr, audit.ErrNothing) {
		return hint(evalErr, "look at exclude and match in the configuration, and at the namespaces of the manifests")
	}
	p.addNoted(c.Context(), &o.sources, in, result)
	result.FailOnUnread, result.FailOnUnmatched = o.failOnUnread, o.failOnUnmatched
	all := result.Baseline()
	if known != nil {
		result.Since(*known)
	}
	if err := o.outputs.write(p, findingWriters(result, began, func(w io.Writer) error { return p.page(w, in, o.config, result) })); err != nil {
		return err
	}
	if !o.outputs.toStdout("text", "wide", "markdown", "html") {
		p.remark(result.Remarks())
	}
	p.sayGone(o.baseline, result.Gone)
	if evalErr != nil {
		return hint(evalErr, "what is listed above is incomplete: correct the guardrail, or its parameters")
	}
	if o.writeBaseline != "" {
		if err := p.keepBaseline(o.writeBaseline, all); err != nil {
			return err
		}
		if known == nil {
			p.summary(result, in, guardrailsNamed(engine), began)
			p.say("next: the same with `--baseline %s` tells what is new", o.writeBaseline)
			return nil
		}
	}
	return p.concludeAudit(c, o, result, in, guardrailsNamed(engine), began)
}

// everything judges all of the input.
func (p *program) everything(ctx context.Context, engine *guardrail.Engine, in input, now time.Time) (*report.Result, error) {
	bar := p.progress("judging")
	bar.total = len(in.set.Objects)
	found, err := audit.Examine(audit.WithProgress(ctx, bar.step), engine, items(in.set), in.snapshot, guardrail.Audit, now)
	bar.end()
	if errors.Is(err, audit.ErrNothing) && in.idle() {
		err = nil // which load has said
	}
	result := resultOf(found, in.set)
	for _, x := range engine.Exemptions() {
		if x.Expired(now) {
			result.Expired = append(result.Expired, x)
		}
	}
	for f := range in.snapshot.Foreign() {
		u := report.Unmodelled{Ref: f.Ref(), Opens: f.Opens()}
		if o, ok := in.set.Lookup(f.Ref()); ok {
			u.Location = place(o)
		}
		result.Unmodelled = append(result.Unmodelled, u)
	}
	slices.SortFunc(result.Unmodelled, func(a, b report.Unmodelled) int { return a.Ref.Compare(b.Ref) })
	return result, err
}

func readBaseline(file string) (*report.Baseline, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, hint(err, "--baseline names a file that --write-baseline has written")
	}
	b, err := report.ParseBaseline(file, text)
	if err != nil {
		return nil, hint(err, "--write-baseline %s writes one", file)
	}
	return &b, nil
}

func (p *program) keepBaseline(file string, b report.Baseline) error {
	var text bytes.Buffer
	if err := b.Write(&text); err != nil {
		return err
	}
	if err := writeFile(file, text.Bytes()); err != nil {
		return hint(err, "--write-baseline needs a directory that is there and can be written")
	}
	p.say("Wrote %s as known to %s", number(len(b.Items), "finding"), file)
	return nil
}

// sayGone tells what a baseline names in vain: left there, it would hide the same finding
// if it came back.
func (p *program) sayGone(file string, gone []report.BaselineItem) {
	for i, item := range gone {
		if i == maxRemarks {
			p.say("note: %s names %d more that are gone", file, len(gone)-i)
			break
		}
		p.say("note: %s names what is gone: %s", file, item)
	}
	if len(gone) > 0 {
		p.say("note: `--write-baseline %s` takes out what is gone; left there, it hides the same finding if it comes back", file)
	}
}

// summary is the closing line.
func (p *program) summary(r *report.Result, in input, guardrails string, began time.Time) {
	known, what := "", outcome(r)
	if n := len(r.Known) + r.KnownRemarks; n > 0 {
		known = fmt.Sprintf("; %d known already", n)
		what = strings.Replace(what, "no violations", "no new violations", 1)
	}
	workloads, netpols := inhabitants(in.snapshot)
	p.say("%s, %s: %s among %s, %s%s%s; in %s", number(len(in.set.Objects), "object"), guardrails,
		what, number(workloads, "workload"), number(netpols, "netpol"), known, besides(r), took(time.Since(began)))
}

func took(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

func inhabitants(s *cluster.Snapshot) (workloads, netpols int) {
	for range s.AllWorkloads() {
		workloads++
	}
	for range s.AllNetpols() {
		netpols++
	}
	return workloads, netpols
}

// concludeAudit sums up, says what to type next, and makes violations the exit code.
func (p *program) concludeAudit(c *cobra.Command, o *auditOptions, r *report.Result, in input, guardrails string, began time.Time) error {
	p.summary(r, in, guardrails, began)
	failed := p.sayFailures(r)
	for _, f := range r.Findings {
		failed = failed || o.failing.counts(f)
	}
	source := "-f ..."
	if o.sources.live() {
		source = "--context ..."
	}
	name := c.Root().DisplayName()
	switch {
	case len(r.Findings) == 0:
		p.say("next: `%s connections %s` lists who can talk to whom all the same", name, source)
	case o.baseline == "":
		p.say("next: `%[1]s explain %[2]s %[3]s` says what opens a path, `%[1]s explain %[4]s` what a guardrail wants; --write-baseline FILE takes what is there as known", name, source, firstQuestion(r), r.Findings[0].Rule)
	default:
		p.say("next: `%[1]s explain %[2]s %[3]s` says what opens a path, `%[1]s explain %[4]s` what a guardrail wants", name, source, firstQuestion(r), r.Findings[0].Rule)
	}
	if failed {
		return errViolations
	}
	return nil
}
