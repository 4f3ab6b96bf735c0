package controlplane

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Kubectl runs kubectl with args as a member of system:masters, with stdin as its input, and
// returns what it printed. Another user's kubeconfig is the argument --kubeconfig away. When it
// exits with failure, the error is an *exec.ExitError in a wrapping that tells stderr.
func (c *ControlPlane) Kubectl(ctx context.Context, stdin string, args ...string) (stdout, stderr string, err error) {
	return c.command(ctx, "kubectl", stdin, args)
}

// Helm runs helm with args as Kubectl runs kubectl. Helm's caches and settings are in Dir, so that
// neither those of the person at the machine nor those of another test count.
func (c *ControlPlane) Helm(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	return c.command(ctx, "helm", "", args)
}

func (c *ControlPlane) command(ctx context.Context, name, stdin string, args []string) (string, string, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, name), args...)
	cmd.Env = c.environment()
	cmd.Dir = c.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), stderr.String(), err
}

// environment is all that any program sees of the machine's environment.
func (c *ControlPlane) environment() []string {
	return []string{
		"PATH=" + c.Bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + filepath.Join(c.Dir, "home"),
		"TMPDIR=" + os.TempDir(),
		"KUBECONFIG=" + c.Kubeconfig,
	}
}
