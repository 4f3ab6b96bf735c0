package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

// program is a server that runs as a process of its own.
type program struct {
	*caller
	probe string // URL of /readyz; empty for none
	cmd   *exec.Cmd
	done  chan error

	mu     sync.Mutex
	delays []time.Duration // of violations that got in, from the watch event to the report
}

// seen are the delays with which the server has reported what got in so far.
func (p *program) seen() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.delays)
}

// build builds the two servers into dir, as make build does.
func build(ctx context.Context, dir string) error {
	root, err := binaries.Root(".")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "grpcnotrace", "-trimpath", "-ldflags", "-s -w", "-o", dir+string(filepath.Separator), "./cmd/podcullis-webhook", "./test/bench/floor")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the servers: %w\n%s", err, out)
	}
	return nil
}

// startWebhook starts the real server with the configuration of the benchmarks
// and waits until it is ready.
func startWebhook(ctx context.Context, dir, kubeconfig string, args ...string) (*program, error) {
	probe, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "guardrails.yaml")
	if err := os.WriteFile(config, []byte(guardrails), 0o600); err != nil {
		return nil, err
	}
	ca := filepath.Join(dir, "podcullis-ca")
	p, err := start(ctx, filepath.Join(dir, "podcullis-webhook"), ca, append([]string{
		"--config=" + config, "--kubeconfig=" + kubeconfig, "--self-signed", "--self-signed-dir=" + ca,
		"--bind-address=127.0.0.1:0", "--metrics-bind-address=0", "--health-probe-bind-address=127.0.0.1:" + strconv.Itoa(probe),
		"--drain-timeout=1s", "--log-format=json",
	}, args...)...)
	if err != nil {
		return nil, err
	}
	p.probe = fmt.Sprintf("http://127.0.0.1:%d/readyz", probe)
	if err := p.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// guardrails are those of the tables: default-deny and forbidden-paths.
const guardrails = `apiVersion: podcullis.io/v1alpha1
kind: Guardrails
exclude:
  namespaces: [kube-system, kube-node-lease, kube-public]
guardrails:
- name: default-deny
  guardrail: default-deny
  action: deny
- name: frontend-never-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters:
    from: {podSelector: {matchLabels: {tier: frontend}}}
    to: {podSelector: {matchLabels: {tier: db}}}
`

// startFloor starts the webhook that allows everything.
func startFloor(ctx context.Context, dir string) (*program, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	ca := filepath.Join(dir, "floor-ca")
	return start(ctx, filepath.Join(dir, "floor"), ca, "-port="+strconv.Itoa(port), "-dir="+ca)
}

// start runs a server until it says where it serves; its CA is in the folder ca.
func start(ctx context.Context, path, ca string, args ...string) (*program, error) {
	p := &program{cmd: exec.CommandContext(context.WithoutCancel(ctx), path, args...), done: make(chan error, 1)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	var said strings.Builder // until the program has ended
	go func() {
		lines := bufio.NewScanner(stderr)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var entry struct {
				Msg, Address string
				Delay        time.Duration
			}
			if json.Unmarshal(lines.Bytes(), &entry) == nil {
				switch entry.Msg {
				case "serving":
					address <- entry.Address
				case "violation got in":
					p.mu.Lock()
					p.delays = append(p.delays, entry.Delay)
					p.mu.Unlock()
				}
			}
			if said.Len() < 1<<14 {
				said.WriteString(lines.Text() + "\n")
			}
		}
		p.done <- p.cmd.Wait()
	}()
	select {
	case a := <-address:
		if p.caller, err = newCaller("https://"+a+"/validate", filepath.Join(ca, "ca.crt")); err != nil {
			return nil, errors.Join(err, p.stop())
		}
		return p, nil
	case err := <-p.done:
		return nil, fmt.Errorf("%s ended: %w\n%s", filepath.Base(path), err, said.String())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), p.stop())
	}
}

func (p *program) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return controlplane.Await(ctx, "the webhook's readiness", func(ctx context.Context) error { return get(ctx, p.probe) })
}

// stop ends the process as Kubernetes would, and for good if that takes long.
func (p *program) stop() error {
	if p.caller != nil {
		p.client.CloseIdleConnections()
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.done:
		return err
	case <-time.After(20 * time.Second):
		return errors.Join(errors.New("the server did not end in 20 s"), p.cmd.Process.Kill())
	}
}

// cpu is the processor time that the process has had so far.
func (p *program) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name in parentheses; utime and stime are the 14th and 15th.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100), nil // USER_HZ is 100 on every Linux
}

// memory is a field of /proc/<pid>/status, such as VmRSS, in bytes.
func (p *program) memory(field string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/%d/status", field, p.cmd.Process.Pid)
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
