package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// logTail is how many lines of a log an error shows.
const logTail = 20

// process is a program that was started and belongs to us.
type process struct {
	name    string
	logFile string
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process is gone
	exitErr error         // set before exited is closed
}

// startProcess starts path with its output appended to logFile.
func startProcess(path string, args, env []string, logFile string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own descriptor
	p := &process{
		name:    filepath.Base(path),
		logFile: logFile,
		cmd:     exec.Command(path, args...), //nolint:noctx // it outlives the context of its start, until stop
		exited:  make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = log, log, env
	p.cmd.SysProcAttr = dependent()

	started := make(chan error)
	go func() {
		// The kernel's "parent" in dependent is this thread, so it must live as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.exitErr = p.cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// awaitReady waits until ready returns nil or the process ends.
func (p *process) awaitReady(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.exited:
			cancel(p.exitError())
		case <-ctx.Done():
		}
	}()
	if err := Await(ctx, "readiness", ready); err != nil {
		return p.withLog(err)
	}
	return nil
}

// stop kills the process and returns when it is gone. Nothing is lost that a test could ask for, and
// the API server would take a long time to say goodbye to everyone who watches something.
func (p *process) stop() error {
	select {
	case <-p.exited:
		return p.withLog(fmt.Errorf("%s: %w before it was stopped", p.name, p.exitError()))
	default:
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.exited
	return nil
}

// exitError says how the process ended. It may be called only once exited is closed.
func (p *process) exitError() error {
	if p.exitErr == nil {
		return errors.New("exited with success")
	}
	return fmt.Errorf("exited: %w", p.exitErr)
}

func (p *process) withLog(err error) error {
	content, readErr := os.ReadFile(p.logFile)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	lines = lines[max(0, len(lines)-logTail):]
	return fmt.Errorf("%w\nthe end of %s:\n\t%s", err, p.logFile, strings.Join(lines, "\n\t"))
}
