// Command podcullis-webhook serves the validating admission webhook.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// version is set at build time (-ldflags "-X main.version=v1.2.3").
var version = "devel"

func main() {
	// Go ends a program that writes to a broken pipe, and standard error is where the log
	// goes: whoever read it may end before us.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 0 after an orderly end, 1 when serving or an errand failed, 2
// for wrong flags, configuration or guardrails.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts := defaultOptions()
	flags := pflag.NewFlagSet("podcullis-webhook", pflag.ContinueOnError)
	flags.SetOutput(stderr)
	opts.AddFlags(flags)
	showVersion := flags.Bool("version", false, "print the version and exit")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "podcullis-webhook judges changes to network paths in a Kubernetes cluster.\n\nFlags:\n%s", flags.FlagUsages())
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return 0
		}
		fmt.Fprintf(stderr, "podcullis-webhook: %v; see --help\n", err)
		return 2
	}
	if *showVersion {
		fmt.Fprintln(stdout, "podcullis-webhook", version)
		return 0
	}
	if err := opts.Validate(flags.Args()); err != nil {
		fmt.Fprintf(stderr, "podcullis-webhook: %v\n", err)
		return 2
	}
	if errand := opts.errand(); errand != nil {
		if err := errand(ctx, opts, stdout); err != nil {
			fmt.Fprintf(stderr, "podcullis-webhook: %v\n", err)
			return 1
		}
		return 0
	}
	app, err := setup(ctx, opts, stderr)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return 0 // it was ended while it waited for a bundle
	}
	if err != nil {
		fmt.Fprintf(stderr, "podcullis-webhook: %v\n", err)
		return 2
	}
	defer app.lines.Close(flushTime)
	if err := app.run(ctx); err != nil {
		fmt.Fprintf(app.lines, "podcullis-webhook: %v\n", err)
		return 1
	}
	return 0
}

// errand is what is done instead of serving, if anything.
func (o *options) errand() func(context.Context, *options, io.Writer) error {
	switch {
	case len(o.remove) > 0:
		return removeObjects
	case o.canary != "":
		return submitCanary
	case o.probe.on():
		return probeOtherPod
	}
	return nil
}
