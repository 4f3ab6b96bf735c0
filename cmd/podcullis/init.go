package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/podcullis/podcullis/audit"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

type initOptions struct {
	sources sources
	action  string
	strict  bool
}

const firstConfig = "guardrails.yaml"

func (p *program) initialize() *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init -f FILE|DIR|- | --helm CHART | -k DIR | --context NAME  [FILE]",
		Short: "Write a first configuration from what a cluster or manifests look like",
		Long: `Looks at the workloads and NetworkPolicies that are there, guesses what is a database
or a frontend by labels, images and ports, and proposes guardrails: default-deny,
paths between tiers that nobody has today, what must stay reachable, and others of
the library. Each is judged against what is there. What holds is written to FILE
(default ` + firstConfig + `; - is standard output), with comments; what does not is named there
with the number of its violations.

With --strict that is written, too, with exemptions for the objects that violate it
today. They exempt these objects from all of that guardrail, until they are mended.

FILE is never overwritten. The same manifests give the same text.`,
		Example: `  podcullis init -f deploy/
  podcullis init --context prod --action deny --strict prod-guardrails.yaml
  podcullis init --helm ./chart -`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return hint(fmt.Errorf("want one FILE, got %d arguments", len(args)), "manifests are named by -f: `%s -f %s`", c.CommandPath(), args[0])
			}
			if err := oneOf("action", o.action, "audit", "warn", "deny"); err != nil {
				return err
			}
			file := firstConfig
			if len(args) == 1 {
				file = args[0]
			}
			return p.firstConfiguration(c.Context(), &o, file)
		},
	}
	o.sources.addFlags(c)
	f := c.Flags()
	f.StringVar(&o.action, "action", "audit", "what the guardrails do about a violation: the `action` audit, warn or deny")
	f.BoolVar(&o.strict, "strict", false, "write also what is violated today, with exemptions for the objects that do")
	p.addQuietFlag(c)
	return c
}

func (p *program) firstConfiguration(ctx context.Context, o *initOptions, file string) error {
	if _, err := os.Lstat(file); file != "-" && err == nil {
		return hint(fmt.Errorf("%s is there already, and is not overwritten", file), "name another FILE, or - for standard output")
	}
	o.sources.entries = true
	in, err := p.load(ctx, &o.sources)
	if err != nil {
		return err
	}
	l, err := library(nil)
	if err != nil {
		return err
	}
	catalog, err := guardrail.Catalog(l, policies.FS)
	if err != nil {
		return err
	}
	i := &initializing{program: p, options: o, library: l, around: surroundingsOf(in, catalog), now: time.Now()}
	if len(i.around.all) == 0 {
		return hint(errors.New("no workload outside of the kube- namespaces: there is nothing to look at"), "name the manifests of workloads, too, or a running cluster with --context")
	}
	if err := i.try(ctx); err != nil {
		return err
	}
	text, err := i.text()
	if err != nil {
		return err
	}
	if file == "-" {
		_, err = p.stdout.Write(text)
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return hint(fmt.Errorf("%s is there already, and is not overwritten", file), "name another FILE, or - for standard output")
	} else if err != nil {
		return hint(err, "FILE has to be in a directory that is there and can be written")
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	p.say("Wrote %s: %s with action %s, and as a comment %d that what is there violates", file, number(len(i.kept), "guardrail"), o.action, len(i.left))
	p.say("next: `%s check %s --config %s`; then install the webhook with it", p.name, shellWords(o.sources.flags()), file)
	return nil
}

// initializing is a first configuration in the making.
type initializing struct {
	*program
	options *initOptions
	around  *surroundings
	library *guardrail.Library
	now     time.Time
	kept    []tried
	left    []tried
}

// tried is a proposal, and what is there that violates it.
type tried struct {
	proposal
	findings   []audit.Finding
	exemptions []map[string]any
	failed     string // it cannot be judged
}

// try judges each proposal by itself, and then all that are kept together.
func (i *initializing) try(ctx context.Context) error {
	proposals, err := i.around.proposals()
	if err != nil {
		return err
	}
	for _, x := range proposals {
		t := tried{proposal: x}
		report, err := i.judge(ctx, []tried{t})
		switch {
		case errors.Is(err, audit.ErrNothing):
			continue
		case err != nil:
			t.failed = firstLineOf(err)
			i.left = append(i.left, t)
			continue
		case slices.ContainsFunc(report.Unmatched, func(u guardrail.Unmatched) bool { return u.Guardrail == x.name }):
			continue // it would be about nobody
		}
		t.findings = report.Findings
		switch {
		case len(t.findings) == 0:
			i.kept = append(i.kept, t)
		case i.options.strict:
			t.exemptions = exemptionsOf(t)
			if again, err := i.judge(ctx, []tried{t}); err == nil && len(again.Findings) == 0 {
				i.kept = append(i.kept, t)
				break
			}
			t.exemptions = nil
			fallthrough
		default:
			i.left = append(i.left, t)
		}
	}
	if len(i.kept) == 0 {
		return nil
	}
	report, err := i.judge(ctx, i.kept)
	if err != nil {
		return err
	}
	if len(report.Findings) > 0 {
		return fmt.Errorf("the configuration is violated by what is there, which is a fault of ours: %s: %s", report.Findings[0].Guardrail, report.Findings[0].Summary())
	}
	return nil
}

func firstLineOf(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func (i *initializing) judge(ctx context.Context, list []tried) (audit.Report, error) {
	text, err := yaml.Marshal(i.document(list))
	if err != nil {
		return audit.Report{}, err
	}
	config, err := guardrail.ParseConfig("proposal", text)
	if err != nil {
		return audit.Report{}, err
	}
	engine, err := guardrail.New(i.library, config)
	if err != nil {
		return audit.Report{}, err
	}
	return audit.Examine(ctx, engine, items(i.around.in.set), i.around.in.snapshot, guardrail.CLI, i.now)
}

func (i *initializing) document(list []tried) map[string]any {
	var entries, exemptions []any
	for _, t := range list {
		entries = append(entries, i.entry(t))
		for _, x := range t.exemptions {
			exemptions = append(exemptions, x)
		}
	}
	return map[string]any{
		"apiVersion": guardrail.ConfigAPIVersion, "kind": guardrail.ConfigKind,
		"exclude": map[string]any{"namespaces": usuallyLeftAlone}, "guardrails": entries, "exemptions": exemptions,
	}
}

func (i *initializing) entry(t tried) map[string]any {
	out := map[string]any{"name": t.name, "guardrail": t.guardrail, "action": i.options.action, "description": t.description}
	if len(t.parameters) > 0 {
		out["parameters"] = t.parameters
	}
	return out
}

// exemptionsOf are exemptions for the objects that violate a proposal today, one for each
// namespace and sort of object.
func exemptionsOf(t tried) []map[string]any {
	type place struct{ namespace, field string }
	names := map[place][]string{}
	for _, f := range t.findings {
		at, name := place{f.Object.Namespace, "workloads"}, f.Object.Kind+"/"+f.Object.Name
		switch f.Object.Kind {
		case "NetworkPolicy":
			at.field, name = "netpols", f.Object.Name
		case "Namespace":
			at, name = place{f.Object.Name, ""}, ""
		case "Service", "Ingress":
			at.field, name = "", ""
		}
		if !slices.Contains(names[at], name) {
			names[at] = append(names[at], name)
		}
	}
	places := slices.SortedFunc(maps.Keys(names), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.field, b.field))
	})
	var out []map[string]any
	for n, at := range places {
		match := map[string]any{"namespaces": []string{at.namespace}}
		if at.field != "" {
			slices.Sort(names[at])
			match[at.field] = names[at]
		}
		out = append(out, map[string]any{
			"name": fmt.Sprintf("%s-today-%d", t.name, n+1), "guardrails": []string{t.name}, "match": match,
			"reason": "there when podcullis init looked; mend it, and take this away",
		})
	}
	return out
}

// text is the configuration with its comments.
func (i *initializing) text() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# A first configuration, written by podcullis init: it holds for what was there then.
# Read it as a proposal: tiers are guessed by labels, images and ports. docs: configuration.md, library.md.
apiVersion: %s
kind: %s
exclude:
  namespaces: [%s]
`, guardrail.ConfigAPIVersion, guardrail.ConfigKind, strings.Join(usuallyLeftAlone, ", "))
	if len(i.kept) == 0 {
		b.WriteString("guardrails: []\n")
	} else {
		b.WriteString("guardrails:\n")
	}
	if len(i.around.of[dnsServers]) == 0 {
		comment(&b, "The cluster's DNS is not among what was looked at: `podcullis guardrails show dns-stays-reachable` has an entry for it.")
	}
	var exemptions []map[string]any
	for _, t := range i.kept {
		comment(&b, t.why)
		if n := len(t.findings); n > 0 {
			comment(&b, fmt.Sprintf("%s of it today, which are exempted below, such as: %s", number(n, "violation"), t.findings[0].Summary()))
		}
		if err := writeEntry(&b, i.entry(t), []string{"name", "guardrail", "action", "description", "parameters"}); err != nil {
			return nil, err
		}
		exemptions = append(exemptions, t.exemptions...)
	}
	if len(exemptions) > 0 {
		b.WriteString("exemptions:\n")
	}
	for _, x := range exemptions {
		if err := writeEntry(&b, x, []string{"name", "guardrails", "match", "reason"}); err != nil {
			return nil, err
		}
	}
	if err := i.notInForce(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// notInForce names what is violated today.
func (i *initializing) notInForce(b *bytes.Buffer) error {
	if len(i.left) == 0 {
		return nil
	}
	b.WriteString("\n# Not in force: each is violated by something that is there. Mend that, or let\n# `podcullis init --strict` exempt it.\n")
	for _, t := range i.left {
		b.WriteString("#\n")
		if t.failed != "" {
			comment(b, fmt.Sprintf("%s could not be judged: %s", t.name, t.failed))
		} else {
			comment(b, fmt.Sprintf("%s, such as: %s", number(len(t.findings), "violation"), t.findings[0].Summary()))
		}
		comment(b, t.why)
		var entry bytes.Buffer
		if err := writeEntry(&entry, i.entry(t), []string{"name", "guardrail", "action", "description", "parameters"}); err != nil {
			return err
		}
		for line := range strings.Lines(entry.String()) {
			b.WriteString("# " + line)
		}
	}
	return nil
}

const commentWidth = 110

func comment(b *bytes.Buffer, text string) {
	for line := range strings.Lines(wrap(text, commentWidth)) {
		b.WriteString("# " + strings.TrimRight(line, "\n") + "\n")
	}
}

// wrap breaks a text into lines.
func wrap(text string, width int) string {
	var out, line string
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			out, line = out+line+"\n", word
		default:
			line += " " + word
		}
	}
	return out + line
}

// writeEntry writes an element of a list, its fields in an order, what is short in one line.
func writeEntry(b *bytes.Buffer, entry map[string]any, order []string) error {
	item := &yaml.Node{Kind: yaml.MappingNode}
	for _, key := range order {
		value, ok := entry[key]
		if !ok {
			continue
		}
		var n yaml.Node
		if err := n.Encode(value); err != nil {
			return err
		}
		if key == "parameters" {
			for at := 1; at < len(n.Content); at += 2 {
				short(n.Content[at])
			}
		} else {
			short(&n)
		}
		item.Content = append(item.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &n)
	}
	e := yaml.NewEncoder(b)
	e.SetIndent(2)
	if err := e.Encode(&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{item}}); err != nil {
		return err
	}
	return e.Close()
}

// short has a node written in one line where it is not too long, else its parts.
func short(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		return
	}
	n.Style = yaml.FlowStyle
	if text, err := yaml.Marshal(n); err == nil && bytes.Count(text, []byte("\n")) == 1 && len(text) < 90 {
		return
	}
	n.Style = 0
	for _, part := range n.Content {
		short(part)
	}
}
