package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

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
