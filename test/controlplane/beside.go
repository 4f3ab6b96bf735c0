package controlplane

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
)

// Program is a program to run beside those of the control plane: a kubelet, say.
type Program struct {
	// Path is its file. The base name of it is its name in logs, and may run once at a time.
	Path string
	Args []string
	// Ready returns nil once the program can be used; nil stands for at once.
	Ready func(context.Context) error
}

// Launch starts a program and waits until it is ready. Stop kills it before the control plane, the
// last one first. Its environment is that of Kubectl.
func (c *ControlPlane) Launch(ctx context.Context, p Program) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	name := filepath.Base(p.Path)
	c.mu.Lock()
	_, running := c.processes[name]
	c.mu.Unlock()
	if running {
		return fmt.Errorf("start %s: already started", name)
	}
	started, err := startProcess(p.Path, p.Args, c.environment(), c.logFile(name))
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c.mu.Lock()
	c.processes[name] = started
	c.beside = append(c.beside, name)
	c.mu.Unlock()
	if p.Ready == nil {
		return nil
	}
	if err := started.awaitReady(ctx, p.Ready); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return nil
}

// launched lists the programs of Launch, the last one first.
func (c *ControlPlane) launched() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := slices.Clone(c.beside)
	slices.Reverse(names)
	c.beside = nil
	return names
}

// CAFile is the path of the certificate authority that vouches for everything here.
func (c *ControlPlane) CAFile() string { return c.certs.caFile }
