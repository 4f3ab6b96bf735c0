// Command demo shows what Podcullis does: every door by which a path to the
// shop's database could open is tried, and the real answers are printed. By
// default the real webhook answers over HTTPS, with the shop's manifests as its
// cluster; with --cluster a real API server asks it and kubectl makes the changes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// answer is what came back for one step.
type answer struct {
	allowed bool
	text    string
}

// gate is where the changes go.
type gate interface {
	try(ctx context.Context, s step) (answer, error)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	onCluster := flags.Bool("cluster", false, "use a real API server and kubectl")
	bin := flags.String("bin", "bin", "the folder with podcullis and podcullis-webhook")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := binaries.Root(".")
	if err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if *bin, err = filepath.Abs(*bin); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "podcullis-demo")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	out := &teller{w: stdout}
	if err := out.checkAndConnections(ctx, *bin); err != nil {
		return err
	}
	if !*onCluster {
		g, stop, err := startFileGate(ctx, *bin, dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		out.say("The webhook is up at %s, with the shop as its cluster. One change through each door:", g.url)
		return out.tell(ctx, g)
	}
	g, err := startClusterGate(ctx, *bin, dir, root, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.stop()) }()
	out.say("A real API server asks the webhook about every change. kubectl tries each door:")
	if err := out.tell(ctx, g); err != nil {
		return err
	}
	if os.Getenv("KEEP") == "" {
		return nil
	}
	out.say("KEEP is set: the cluster stays until Ctrl-C. In another terminal:\n\n  export KUBECONFIG=%s\n  export PATH=%s:$PATH\n  kubectl -n shop get networkpolicies", g.plane.Kubeconfig, g.plane.Bin)
	<-ctx.Done()
	return nil
}

// teller prints the story.
type teller struct{ w io.Writer }

func (t *teller) say(format string, args ...any) { fmt.Fprintf(t.w, "\n"+format+"\n", args...) }

// checkAndConnections shows the command line on the shop.
func (t *teller) checkAndConnections(ctx context.Context, bin string) error {
	for _, args := range [][]string{
		{"check", "-f", "examples/shop", "--config", "examples/shop-guardrails.yaml"},
		{"connections", "-f", "examples/shop"},
	} {
		t.say("$ podcullis %s", strings.Join(args, " "))
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "podcullis"), args...)
		cmd.Stdout, cmd.Stderr = t.w, t.w
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("podcullis %s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}

// tell goes through the story and ends with a table. An answer that is not the
// expected one is an error.
func (t *teller) tell(ctx context.Context, g gate) error {
	var rows, wrong []string
	for i, s := range story {
		t.say("%d. %s", i+1, s.title)
		for _, line := range strings.Split(strings.TrimSpace(s.stdin), "\n") {
			if line != "" {
				fmt.Fprintln(t.w, "   |", line)
			}
		}
		fmt.Fprintln(t.w, "   $ kubectl", quote(s.kubectl))
		a, err := g.try(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		for _, line := range strings.Split(strings.TrimSpace(a.text), "\n") {
			fmt.Fprintln(t.w, "  ", line)
		}
		verdict := map[bool]string{true: "passed", false: "REFUSED"}[a.allowed]
		rows = append(rows, fmt.Sprintf("  %-8s %s", verdict, s.title))
		if a.allowed == s.refused {
			wrong = append(wrong, s.title)
		}
	}
	t.say("What happened:\n%s", strings.Join(rows, "\n"))
	if len(wrong) > 0 {
		return fmt.Errorf("not the expected answer: %s", strings.Join(wrong, "; "))
	}
	return nil
}

func quote(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if strings.ContainsAny(a, `{}" `) {
			out[i] = "'" + a + "'"
		}
	}
	return strings.Join(out, " ")
}
