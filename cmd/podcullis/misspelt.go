package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// checkCommand refuses words in the place of a command that are none. The library takes them as
// arguments, shows help, and is content: a script would go on as if all had been done.
func (p *program) checkCommand(root *cobra.Command, args []string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	if len(args) > 0 && slices.Contains([]string{cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, args[0]) {
		return nil // the shell asks about a line that is being written
	}
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			for _, shell := range c.Commands() {
				shell.Args = noMore
			}
		}
	}
	at := root
	for i, word := range args {
		switch {
		case strings.HasPrefix(word, "-"):
			return nil
		case i == 0 && word == "help":
			continue
		case !at.HasSubCommands() && args[0] == "help":
			return hint(fmt.Errorf("no command %q", at.CommandPath()+" "+word), "`%s --help` says what there is", at.CommandPath())
		case !at.HasSubCommands():
			return nil
		}
		next := slices.IndexFunc(at.Commands(), func(c *cobra.Command) bool { return c.Name() == word || c.HasAlias(word) })
		if next < 0 {
			return hint(fmt.Errorf("no command %q", word), "%s", commandMeant(at, word))
		}
		at = at.Commands()[next]
	}
	return nil
}

// commandMeant says which command somebody may have meant, or else which there are.
func commandMeant(at *cobra.Command, word string) string {
	at.SuggestionsMinimumDistance = max(1, min(2, len(word)-2))
	if near := at.SuggestionsFor(word); len(near) > 0 {
		return "did you mean `" + at.CommandPath() + " " + strings.Join(near, "` or `"+at.CommandPath()+" ") + "`?"
	}
	var names []string
	for _, c := range at.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return fmt.Sprintf("%s has the commands %s", at.CommandPath(), strings.Join(names, ", "))
}
