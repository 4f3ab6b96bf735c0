package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	only    *regexp.Regexp
	scale   float64
	seed    uint64
	budget  time.Duration
	samples int
	phase   time.Duration
	rounds  int
	// clock is wall time or processor time; clockName says which.
	clock     func() time.Duration
	clockName string
}

// run measures what the arguments ask for and prints it. A figure that misses its
// goal is no error; one that could not be measured although it should is.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s := settings{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("run", "", "measure only the figures whose name matches this `pattern`")
	output := flags.String("o", "text", "text or json")
	flags.Float64Var(&s.scale, "scale", 1, "the size of the clusters, as a `share` of those that the goals are about")
	flags.Uint64Var(&s.seed, "seed", 1, "of the clusters and changes")
	flags.DurationVar(&s.budget, "budget", 20*time.Second, "how long to sample one operation at most")
	flags.IntVar(&s.samples, "samples", 2000, "how often to measure one operation at most")
	flags.DurationVar(&s.phase, "phase", 5*time.Second, "how long to load a server at a stretch")
	flags.IntVar(&s.rounds, "rounds", 5, "how often two servers take turns")
	flags.StringVar(&s.clockName, "clock", "wall", "measure the model by wall, or by cpu: processor time, for a machine that others use as well")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: every setting is a flag, see -help", flags.Arg(0))
	}
	if *output != "text" && *output != "json" {
		return fmt.Errorf("-o must be text or json, got %q", *output)
	}
	if s.scale <= 0 || s.samples < 1 || s.rounds < 1 || s.phase <= 0 {
		return errors.New("-scale, -samples, -rounds and -phase must be positive")
	}
	var known bool
	if s.clock, known = clocks()[s.clockName]; !known {
		return fmt.Errorf("-clock must be wall or cpu, got %q", s.clockName)
	}
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	sheet := newSheet(s, stderr)
	if len(sheet.wanted()) == 0 {
		return fmt.Errorf("-run %s: no figure has such a name; the names: %s", *only, names(rows()))
	}
	ctrllog.SetLogger(logr.Discard())
	err = sheet.measure(ctx)
	if *output == "json" {
		return errors.Join(err, sheet.writeJSON(stdout))
	}
	return errors.Join(err, sheet.writeText(stdout))
}
