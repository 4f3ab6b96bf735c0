package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is how wide help is; the library goes a few letters beyond what it is told.
const helpWidth = 100

// commonFlags come first in help: what most calls have.
var commonFlags = [...]string{
	"filename", "kustomize", "helm", "context", "before", "after", "create", "update", "delete", "config",
	"namespace", "from", "to", "port", "only", "by", "output", "expect", "fix", "fail-on", "quiet", "help", "version",
}

// usage is the help of a command below its description: examples, then its flags, those
// first that are common, and those about charts by themselves.
func (p *program) usage(c *cobra.Command) error {
	var b strings.Builder
	if c.Runnable() {
		fmt.Fprintf(&b, "Usage:\n%s\n", inLines(c.UseLine(), 2))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "Usage:\n  %s COMMAND\n\nCommands:\n", c.CommandPath())
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(&b, "  %-*s  %s\n", sub.NamePadding(), sub.Name(), strings.TrimPrefix(inLines(sub.Short, sub.NamePadding()+4), strings.Repeat(" ", sub.NamePadding()+4)))
			}
		}
	}
	if c.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", c.Example)
	}
	for _, g := range groupsOf(c) {
		fmt.Fprintf(&b, "\n%s:\n%s", g.title, g.flags.FlagUsagesWrapped(helpWidth-5))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n`%s COMMAND --help` says more about one.\n", c.CommandPath())
	}
	_, err := io.WriteString(c.OutOrStderr(), b.String())
	return err
}

type flagGroup struct {
	title string
	flags *pflag.FlagSet
}

func groupsOf(c *cobra.Command) []flagGroup {
	groups := []flagGroup{{"Flags", nil}, {"More flags", nil}, {"Flags of --helm", nil}}
	for i := range groups {
		groups[i].flags = pflag.NewFlagSet(c.Name(), pflag.ContinueOnError)
		groups[i].flags.SortFlags = false
	}
	add := func(i int, f *pflag.Flag) {
		if of, ok := strings.CutPrefix(f.Usage, "of --helm: "); ok {
			short := *f
			short.Usage = of
			f = &short
		}
		groups[i].flags.AddFlag(f)
	}
	for _, name := range commonFlags {
		if f := c.Flags().Lookup(name); f != nil && !f.Hidden {
			add(0, f)
		}
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Hidden || slices.Contains(commonFlags[:], f.Name):
		case strings.HasPrefix(f.Usage, "of --helm: "):
			add(2, f)
		default:
			add(1, f)
		}
	})
	return slices.DeleteFunc(groups, func(g flagGroup) bool { return !g.flags.HasFlags() })
}

// inLines is a text in lines of at most helpWidth.
func inLines(text string, by int) string {
	indent := strings.Repeat(" ", by)
	var out, line string
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = indent + word
		case len(line)+1+len(word) > helpWidth:
			out, line = out+line+"\n", indent+"    "+word
		default:
			line += " " + word
		}
	}
	return out + line
}
