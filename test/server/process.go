package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podcullis/podcullis/test/controlplane"
)

// patience is how long a process may take to be ready, on a busy machine.
const patience = time.Minute

// Command is how a process is run.
type Command struct {
	Binary  string
	Args    []string
	Env     []string // beside HOME and TMPDIR, which are the folder of the log
	LogFile string   // what it writes is appended there
	Stderr  *os.File // instead of the log
	// Within is a command that runs the binary, with what it is given after its own arguments.
	Within []string
	Cgroup string // the cgroup.procs of the one to be in
}

// Process is a webhook that runs.
type Process struct {
	*exec.Cmd
	Command Command
	exited  chan struct{}
	err     error // how it ended, once exited is closed
}

// Start starts a process, which outlives the test unless somebody ends it. It waits for nothing.
func Start(t testing.TB, c Command) *Process {
	t.Helper()
	log, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the process has its own descriptor
	line := append(append(slices.Clone(c.Within), c.Binary), c.Args...)
	if c.Cgroup != "" {
		line = append([]string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, c.Cgroup}, line...)
	}
	p := &Process{Cmd: exec.CommandContext(context.Background(), line[0], line[1:]...), Command: c, exited: make(chan struct{})}
	p.Stdout, p.Stderr = log, log
	if c.Stderr != nil {
		p.Stderr = c.Stderr
	}
	home := filepath.Dir(c.LogFile)
	p.Env = append([]string{"HOME=" + home, "TMPDIR=" + home}, c.Env...)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = p.Wait(); close(p.exited) }()
	return p
}

// ShowLog shows the end of a log file when a test is over that failed.
func ShowLog(t testing.TB, file string) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the webhook's log %s:\n%s", file, tail(file))
		}
	})
}

// tail is the last lines of a file.
func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// Exited is closed when the process is gone; Err is how it ended then.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err is how the process ended, and nil before.
func (p *Process) Err() error {
	select {
	case <-p.exited:
		return p.err
	default:
		return nil
	}
}

// Kill is kill -9. It returns when the process is gone.
func (p *Process) Kill() {
	_ = p.Process.Kill()
	<-p.exited
}

// AwaitReady waits until /readyz at the address of the probes says so, and fails the test if
// the process ends before.
func (p *Process) AwaitReady(t testing.TB, probes string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := controlplane.Await(ctx, "the webhook to be ready", func(ctx context.Context) error {
		select {
		case <-p.exited:
			t.Fatalf("the webhook ended: %v\n%s", p.err, tail(p.Command.LogFile))
		default:
		}
		_, err := Get(ctx, "http://"+probes+"/readyz")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Stop sends SIGTERM and waits until the process has ended, which has to be well and in time.
func (p *Process) Stop(t testing.TB, within time.Duration) {
	t.Helper()
	p.Terminate()
	select {
	case <-p.exited:
		if p.err != nil {
			t.Errorf("the webhook after SIGTERM: %v", p.err)
		}
	case <-time.After(within):
		t.Errorf("the webhook has not ended %s after SIGTERM", within)
	}
}

// Terminate sends SIGTERM.
func (p *Process) Terminate() { _ = p.Process.Signal(syscall.SIGTERM) }

// Get is what a URL answers; anything but 200 is an error.
func Get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return string(body), err
}
