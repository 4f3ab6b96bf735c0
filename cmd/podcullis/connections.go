package main

import (
	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

func (p *program) connections() *cobra.Command {
	var sources []string
	var output, expect string
	c := &cobra.Command{
		Use:   "connections -f FILE|DIR|-",
		Short: "List who can talk to whom",
		Long: `Lists every connection that is open between the workloads of the manifests, and
between each of them and the outside, with the netpol rules that open it. What
is neither proved open nor proved blocked is listed as unknown; what is not
listed is blocked. Connections of a workload with itself are left out.`,
		Example: `  podcullis connections -f deploy/
  podcullis connections -f deploy/ -o json | jq '.items[] | select(.to.name == "db")'`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := oneOf("output", output, "text", "json"); err != nil {
				return err
			}
			if err := oneOf("expect", expect, "", "open", "blocked"); err != nil {
				return err
			}
			_, snapshot, err := p.load(sources)
			if err != nil {
				return err
			}
			list := connectivity.Connections(snapshot, connectivity.Options{})
			if output == "json" {
				err = report.ConnectionsJSON(p.stdout, list)
			} else {
				if len(list) > 0 {
					err = report.ConnectionsText(p.stdout, list)
				}
				workloads := 0
				for range snapshot.AllWorkloads() {
					workloads++
				}
				p.say("%s between %s and the outside; `%s explain -f ... FROM TO` says why one is open or blocked", number(len(list), "connection"), number(workloads, "workload"), p.name)
			}
			if err != nil {
				return err
			}
			return p.expected(expect, report.VerdictOf(list))
		},
	}
	addManifestFlag(c, &sources)
	addOutputFlag(c, &output)
	addExpectFlag(c, &expect, "`open` or blocked: exit 1 when no connection is listed, or when one is (unknown counts as open)")
	return c
}
