package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

func (p *program) connections() *cobra.Command {
	var sources sources
	var network network
	var filter filter
	outputs := outputs{formats: []string{"text", "wide", "json", "yaml", "csv", "markdown", "name"}}
	var expect, by string
	var policyDirs []string
	c := &cobra.Command{
		Use:   "connections -f FILE|DIR|- [--from PEER] [--to PEER] [--port PORT/PROTO]",
		Short: "List who can talk to whom",
		Long: `Lists every connection that is open between the workloads of the manifests (or of
a running cluster, with the manifests applied onto it), and between each of them
and the outside, with the netpol rules that open it. What is neither proved open
nor proved blocked is listed as unknown; what is not listed is blocked, unless
--from and the like leave it out. Connections of a workload with itself are left
out.

People get first what matters: what is unknown, then what is with the outside, and
with --config before all what a guardrail objects to, marked with !. Tables fit 120
columns; -o wide leaves them as wide as they are. --by namespace is for an overview.
json, yaml and csv have everything in the order of its ends.`,
		Example: `  podcullis connections -f deploy/
  podcullis connections -f deploy/ --to shop/db --port 5432 -o csv
  podcullis connections -f deploy/ --config guardrails.yaml --by namespace
  podcullis connections --helm ./chart --values prod.yaml --external
  podcullis connections --context prod -n shop -o text -o json=connections.json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := outputs.parse(); err != nil {
				return err
			}
			if err := oneOf("expect", expect, "", "open", "blocked"); err != nil {
				return err
			}
			if err := oneOf("by", by, "workload", "namespace"); err != nil {
				return err
			}
			options, err := network.options()
			if err != nil {
				return err
			}
			in, err := p.load(c.Context(), &sources)
			if err != nil {
				return err
			}
			if err := filter.resolve(in.snapshot); err != nil {
				return err
			}
			list := filter.connections(connectivity.Connections(in.snapshot, options))
			table := report.Connections{List: list, ByNamespace: by == "namespace"}
			if network.config != "" {
				table.Violates = p.violating(c.Context(), network.config, policyDirs, in)
			}
			if err := outputs.write(p, writers{
				"text":     func(w io.Writer, _ report.Style) error { return p.fitted(table.Text(w, false)) },
				"wide":     func(w io.Writer, _ report.Style) error { _, err := table.Text(w, true); return err },
				"name":     func(w io.Writer, _ report.Style) error { return table.Names(w) },
				"markdown": func(w io.Writer, _ report.Style) error { return table.Markdown(w) },
				"json":     func(w io.Writer, _ report.Style) error { return report.ConnectionsJSON(w, list, unread(in.set)...) },
				"yaml":     func(w io.Writer, _ report.Style) error { return report.ConnectionsYAML(w, list, unread(in.set)...) },
				"csv":      func(w io.Writer, _ report.Style) error { return report.ConnectionsCSV(w, list) },
			}); err != nil {
				return err
			}
			if outputs.toStdout("text") {
				workloads := 0
				for range in.snapshot.AllWorkloads() {
					workloads++
				}
				p.say("%s between %s and the outside; `%s explain -f ... FROM TO` says why one is open or blocked", number(report.Lines(list), "connection"), number(workloads, "workload"), p.name)
			}
			return p.expected(expect, report.VerdictOf(list))
		},
	}
	sources.addFlags(c)
	filter.addFlags(c)
	network.addFlags(c)
	outputs.addFlags(c)
	c.Flags().Lookup("config").Usage = "the configuration `file` of the guardrails: its podNetwork is used, and what they object to is marked"
	c.Flags().StringArrayVar(&policyDirs, "policy-dir", nil, "a `directory` with Rego guardrails beside the embedded ones; repeatable")
	c.Flags().StringVar(&by, "by", "workload", "what a row of a table is about: workload, or `namespace`")
	addExpectFlag(c, &expect, "`open` or blocked: exit 1 when no connection is listed, or when one is (unknown counts as open)")
	return c
}
