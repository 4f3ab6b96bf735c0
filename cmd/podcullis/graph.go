package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/audit"
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/report"
	"github.com/podcullis/podcullis/report/picture"
)

type graphOptions struct {
	sources    sources
	before     []string
	network    network
	outputs    outputs
	policyDirs []string
	ask        []string
	by         string
	filter     filter
	only       []string
	title      string
	stamp      string
}

func (p *program) graph() *cobra.Command {
	o := graphOptions{outputs: outputs{formats: []string{"mermaid", "dot", "svg", "html"}}}
	c := &cobra.Command{
		Use:   "graph -f FILE|DIR|- [-o mermaid|dot|svg|html[=PATH]]",
		Short: "Draw who can talk to whom",
		Long: `Draws the connections between the workloads of the manifests, and between each
of them and the outside. A path that is blocked is drawn, with the netpol that
blocks it, when it was asked about: by --ask, or by a guardrail of --config about
paths, such as forbidden-paths. With --config, findings are listed and marked too.

mermaid is for pull requests and Markdown, dot for Graphviz, svg for documents,
and html is a page in one file, to search and filter, that needs no network.
Where a format cannot show every workload it shows what changed, or what violates
a guardrail, or else namespaces, and says so.

The same input gives the same picture, to the byte; --stamp adds a date to it.`,
		Example: `  podcullis graph -f deploy/ --ask shop/frontend,shop/db
  podcullis graph -f deploy/ --config guardrails.yaml -o html=map.html -o svg=map.svg
  podcullis graph -f new/ --before old/ -o html=change.html
  podcullis graph -f deploy/ -n shop --to shop/db
  podcullis graph -f new/ --before old/ --only changed --stamp now -o svg=change.svg
  podcullis graph --helm chart,values=prod.yaml --before chart`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.draw(c.Context(), &o) },
	}
	o.sources.addFlags(c)
	o.network.addFlags(c)
	o.outputs.addFlags(c)
	c.Flags().Lookup("config").Usage = "the `file` that says which guardrails apply to what: their findings are drawn, and what they ask about"
	c.Flags().StringArrayVar(&o.policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
	c.Flags().StringArrayVar(&o.before, "before", nil, "what to compare with: a `source` as diff --before takes it, such as OLD/, CHART,values=FILE or context=NAME; what was added and removed is marked; repeatable")
	c.Flags().StringArrayVar(&o.ask, "ask", nil, "a path `FROM,TO[,PORT/PROTO]` that is drawn also when it is blocked, named as in explain; repeatable")
	c.Flags().StringVar(&o.by, "by", "workload", "what a node is: workload, or `namespace`")
	o.filter.addFlags(c)
	c.Flags().StringSliceVar(&o.only, "only", nil, "only the lines that `changed`, with --before, or that are violations, with --config; both: changed,violations")
	c.Flags().StringVar(&o.title, "title", "", "the `heading` of the picture")
	c.Flags().StringVar(&o.stamp, "stamp", "", "a `date`, or any other text, below the heading; now is this minute")
	return c
}

func (p *program) draw(ctx context.Context, o *graphOptions) error {
	if err := o.outputs.parse(); err != nil {
		return err
	}
	if err := oneOf("by", o.by, "workload", "namespace"); err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	options, err := o.network.options()
	if err != nil {
		return err
	}
	in, err := p.later(ctx, o)
	if err != nil {
		return err
	}
	source := picture.Source{Heading: o.heading(), Snapshot: in.snapshot, Connections: connectivity.Connections(in.snapshot, options), Notes: unreadNotes(in.set)}
	snapshots := []*cluster.Snapshot{in.snapshot}
	if len(o.before) > 0 {
		before, err := p.earlier(ctx, o)
		if err != nil {
			return err
		}
		source.Before, source.Compared = connectivity.Connections(before.snapshot, options), true
		snapshots = append(snapshots, before.snapshot)
	}
	if err := o.filter.resolve(snapshots...); err != nil {
		return err
	}
	if source.Asked, err = asked(in.snapshot, o.ask, options); err != nil {
		return err
	}
	if o.network.config != "" {
		if err := p.judged(ctx, o, in, options, &source); err != nil {
			return err
		}
	}
	g := o.chosen(&source)
	if len(g.Nodes) == 0 {
		p.say("note: nothing is drawn: no connection is what the flags choose")
	}
	if o.by == "namespace" {
		g = g.ByNamespace()
	}
	return o.outputs.write(p, writers{
		"mermaid": func(w io.Writer, _ report.Style) error { return picture.Mermaid(w, g) },
		"dot":     func(w io.Writer, _ report.Style) error { return picture.DOT(w, g) },
		"svg":     func(w io.Writer, _ report.Style) error { return picture.SVG(w, g) },
		"html":    func(w io.Writer, _ report.Style) error { return picture.HTML(w, g) },
	})
}

// maxUnreadNotes bounds the lines of a picture about what was not looked at.
const maxUnreadNotes = 8

// unreadNotes say what the picture cannot show.
func unreadNotes(set *manifest.Set) []string {
	var out []string
	for i, u := range set.Unread {
		if n := len(set.Unread) - i; i == maxUnreadNotes-1 && n > 1 {
			return append(out, fmt.Sprintf("not looked at, makes pods: %d more", n))
		}
		out = append(out, fmt.Sprintf("not looked at, makes pods: %s (%s)", u, u.Why))
	}
	return out
}

// asked explains the paths of --ask.
func asked(s *cluster.Snapshot, ask []string, o connectivity.Options) ([]connectivity.Explanation, error) {
	var out []connectivity.Explanation
	for _, text := range ask {
		args := strings.Split(text, ",")
		if len(args) != 2 && len(args) != 3 {
			return nil, hint(fmt.Errorf("--ask must be FROM,TO or FROM,TO,PORT/PROTO, got %q", text), "such as --ask shop/frontend,shop/db,5432/TCP")
		}
		x, err := explainPath(s, args, o)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// judged adds what the guardrails of --config find and ask about.
func (p *program) judged(ctx context.Context, o *graphOptions, in input, options connectivity.Options, source *picture.Source) error {
	engine, err := p.engine(o.network.config, o.policyDirs)
	if err != nil {
		return err
	}
	found, err := audit.Run(ctx, engine, items(in.set), in.snapshot, guardrail.CLI, time.Now())
	switch {
	case errors.Is(err, audit.ErrNothing):
		p.say("note: no guardrail applies to any of the objects: there are no findings to draw")
	case err != nil:
		return hint(err, "correct the guardrail, or its parameters; or leave out --config")
	}
	source.Findings = located(found, in.set)
	questions, err := engine.PathQuestions()
	if err != nil {
		return err
	}
	for _, q := range questions {
		paths, left := blockedPaths(in.snapshot, q.Query, options)
		if left > 0 {
			p.say("note: guardrail %s asks about more paths than a picture shows: %d are left out", q.Guardrail, left)
		}
		source.Asked = append(source.Asked, paths...)
	}
	return nil
}

// maxAsked bounds the paths of one guardrail that are drawn because it asks about them.
const maxAsked = 500

// blockedPaths explains the paths that a question is about, from each peer to
// each other, and tells how many were too many.
func blockedPaths(s *cluster.Snapshot, q connectivity.Query, o connectivity.Options) (out []connectivity.Explanation, left int) {
	from, to := peers(s, q.From), peers(s, q.To)
	for _, a := range from {
		for _, b := range to {
			switch {
			case a == b || a.Workload == nil && b.Workload == nil:
			case len(out) == maxAsked:
				left++
			default:
				out = append(out, connectivity.Explain(s, a, b, q.Ports, o))
			}
		}
	}
	return out, left
}

// peers are those that a selection chooses.
func peers(s *cluster.Snapshot, which connectivity.Selection) []connectivity.Peer {
	if which.Block.IsValid() {
		return []connectivity.Peer{{CIDR: which.Block}}
	}
	var out []connectivity.Peer
	for _, i := range connectivity.Isolated(s, which) {
		out = append(out, connectivity.Peer{Workload: i.Workload})
	}
	return out
}
