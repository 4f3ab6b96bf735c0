package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// server is the real webhook, started as a process of its own.
type server struct {
	url      string // of /validate
	caBundle []byte
	cmd      *exec.Cmd
	done     chan error
}

// startServer starts podcullis-webhook on a free port of loopback and returns
// once it says where it serves.
func startServer(ctx context.Context, bin, dir string, args ...string) (*server, error) {
	args = append([]string{
		"--config=examples/shop-guardrails.yaml", "--self-signed", "--self-signed-dir=" + dir,
		"--bind-address=127.0.0.1:0", "--metrics-bind-address=0", "--health-probe-bind-address=0",
		"--drain-timeout=1s", "--log-format=json",
	}, args...)
	s := &server{cmd: exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(bin, "podcullis-webhook"), args...), done: make(chan error, 1)}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	var said strings.Builder
	go func() {
		lines := bufio.NewScanner(stderr)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var entry struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
				address <- entry.Address
			}
			if said.Len() < 4096 {
				said.WriteString(lines.Text() + "\n")
			}
		}
		s.done <- s.cmd.Wait()
	}()
	select {
	case a := <-address:
		s.url = "https://" + a + "/validate"
	case err := <-s.done:
		return nil, fmt.Errorf("podcullis-webhook ended: %w\n%s", errors.Join(err), said.String())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), s.stop())
	}
	s.caBundle, err = os.ReadFile(filepath.Join(dir, "ca.crt"))
	return s, err
}

// stop ends the process as Kubernetes would, and for good if that takes long.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-s.done:
		return err
	case <-time.After(20 * time.Second):
		return errors.Join(errors.New("podcullis-webhook did not end in 20 s"), s.cmd.Process.Kill())
	}
}
