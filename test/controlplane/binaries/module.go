package binaries

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// tick is how often a running compilation says how far it is.
const tick = 15 * time.Second

// tailLines is how much of the go command's output is kept for an error.
const tailLines = 40

// module is a nested module that programs are compiled in.
type module struct {
	dir      string
	modfile  string // its pins, if not go.mod
	progress io.Writer
}

// version returns the version the module pins a dependency to, such as v1.37.2.
func (m module) version(ctx context.Context, path string) (string, error) {
	out, err := m.output(ctx, "list", "-m", "-f", "{{.Version}}", path)
	return strings.TrimSpace(out), err
}

// folder returns where the sources of a dependency are.
func (m module) folder(ctx context.Context, path string) (string, error) {
	out, err := m.output(ctx, "list", "-m", "-f", "{{.Dir}}", path)
	return strings.TrimSpace(out), err
}

// compile builds the main package pkg as file, with the string variables in stamps set
// ("import/path.name=value").
func (m module) compile(ctx context.Context, pkg, file string, stamps []string) error {
	fmt.Fprintln(m.progress, "  fetching modules")
	all, err := m.output(ctx, "list", "-deps", pkg)
	if err != nil {
		return err
	}
	total := strings.Count(all, "\n")
	fmt.Fprintf(m.progress, "  compiling up to %d packages\n", total)

	ldflags := "-s -w"
	for _, stamp := range stamps {
		ldflags += " -X " + stamp
	}
	build := m.command(ctx, "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", file, pkg)
	stderr, err := build.StderrPipe()
	if err != nil {
		return err
	}
	if err := build.Start(); err != nil {
		return err
	}
	var compiled atomic.Int64
	stop := m.report(&compiled, total)
	tail := countPackages(stderr, &compiled)
	err = build.Wait()
	stop()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, strings.Join(tail, "\n"))
	}
	return nil
}

// report prints a line at every tick until the returned function is called.
func (m module) report(compiled *atomic.Int64, total int) (stop func()) {
	started := time.Now()
	ticks := time.NewTicker(tick)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ticks.C:
				fmt.Fprintf(m.progress, "  %6s  %d of up to %d packages\n",
					time.Since(started).Round(time.Second), compiled.Load(), total)
			case <-quit:
				return
			}
		}
	}()
	return func() {
		ticks.Stop()
		close(quit)
		<-done
	}
}

// countPackages reads what "go build -v" prints: the import path of every package as its
// compilation begins, and errors. It returns the last lines that are not import paths.
func countPackages(output io.Reader, compiled *atomic.Int64) (tail []string) {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		line := lines.Text()
		if !strings.ContainsAny(line, " \t:") {
			compiled.Add(1)
			continue
		}
		tail = append(tail, line)
		if len(tail) > tailLines {
			tail = tail[1:]
		}
	}
	_, _ = io.Copy(io.Discard, output) // a line too long for the scanner must not block the build
	return tail
}

func (m module) output(ctx context.Context, args ...string) (string, error) {
	var stderr strings.Builder
	cmd := m.command(ctx, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// command runs the go command in the module, cut off from workspaces and C compilers.
func (m module) command(ctx context.Context, args ...string) *exec.Cmd {
	if m.modfile != "" {
		args = slices.Insert(slices.Clone(args), 1, "-modfile="+m.modfile)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}
