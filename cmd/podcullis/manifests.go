package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

func addManifestFlag(c *cobra.Command, sources *[]string) {
	c.Flags().StringArrayVarP(sources, "filename", "f", nil, "manifests: a `file`, a directory, or - for standard input; repeatable")
}

// load reads the manifests. What they do not say goes to stderr.
func (p *program) load(sources []string) (*manifest.Set, *cluster.Snapshot, error) {
	if len(sources) == 0 {
		return nil, nil, hint(errors.New("no manifests were given: nothing to evaluate"), "name them with -f FILE, -f DIR or -f - for standard input")
	}
	set, err := manifest.Load(sources, p.stdin)
	if errors.Is(err, manifest.ErrNothing) {
		return nil, nil, hint(err, "name files with NetworkPolicies and workloads; of Helm charts and kustomizations, pipe what they render into -f -")
	}
	if err != nil {
		return nil, nil, hint(err, "correct the manifests: one that cannot be read makes every answer a guess")
	}
	for _, n := range set.Notes {
		p.say("note: %s: %s", n.Location, n.Text)
	}
	var skipped []string
	for _, kind := range slices.Sorted(maps.Keys(set.Skipped)) {
		skipped = append(skipped, fmt.Sprintf("%d %s", set.Skipped[kind], kind))
	}
	if len(skipped) > 0 {
		p.say("note: not looked at: %s", strings.Join(skipped, ", "))
	}
	snapshot, err := set.Snapshot()
	if err != nil {
		return nil, nil, hint(err, "correct the manifests")
	}
	return set, snapshot, nil
}

func addOutputFlag(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", "text", "the `format`: text or json")
}

// oneOf checks the value of a flag.
func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return hint(fmt.Errorf("--%s must be one of %s, got %q", flag, strings.Join(allowed, ", "), value), "leave --%s out for the default", flag)
}

func addExpectFlag(c *cobra.Command, expect *string, what string) {
	c.Flags().StringVar(expect, "expect", "", what)
}

// expected compares a verdict with --expect. Unknown counts as open.
func (p *program) expected(expect string, verdict connectivity.Verdict) error {
	if expect == "" || (expect == "blocked") == (verdict == connectivity.VerdictBlocked) {
		return nil
	}
	p.say("not as expected: want %s, got %s", expect, verdict)
	return errViolations
}

func (p *program) style() report.Style {
	file, ok := p.stdout.(*os.File)
	if _, no := os.LookupEnv("NO_COLOR"); no || !ok {
		return report.Style{}
	}
	info, err := file.Stat()
	return report.Style{Colour: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// number is "1 finding", "2 findings".
func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
