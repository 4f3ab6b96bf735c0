package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

// The environment variables of a test run.
const (
	// AskEnv set to 1 asks for a node. What is missing for one is then an error.
	AskEnv = "PODCULLIS_NODE"
	// DirEnv names a folder, absent or empty, for state and logs that is kept.
	DirEnv = "PODCULLIS_NODE_DIR"
	// insideEnv tells the second start of the test binary, by naming the folder, that it is that.
	insideEnv = "PODCULLIS_NODE_INSIDE"
)

// Packages are the Debian packages that a node needs.
const Packages = "containerd runc containernetworking-plugins iptables nftables ipset conntrack ethtool socat iproute2"

// Main runs the tests of a package and returns the exit code. Those that call Start need it.
func Main(m *testing.M) int {
	if dir := os.Getenv(insideEnv); dir != "" {
		if err := furnish(); err != nil {
			fmt.Fprintln(os.Stderr, "prepare the test node:", err)
			return 1
		}
		code := m.Run()
		if err := stopShared(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the test node:", err)
			return 1
		}
		return code
	}
	if os.Getenv(AskEnv) != "1" {
		return m.Run()
	}
	code, err := runInside()
	if err != nil {
		fmt.Fprintln(os.Stderr, "test node:", err)
		return 1
	}
	return code
}

// runInside starts this binary again in namespaces of its own and returns its exit code.
func runInside() (code int, err error) {
	if err := possible(); err != nil {
		return 0, err
	}
	dir, kept := os.Getenv(DirEnv), true
	if dir == "" {
		kept = false
		if dir, err = os.MkdirTemp("", "podcullis-node-"); err != nil {
			return 0, err
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return 0, err
	}
	defer func() {
		err = errors.Join(err, removeCgroups(dir))
		if !kept {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()

	inside := exec.Command("/proc/self/exe", os.Args[1:]...) //nolint:noctx // it ends with this process
	inside.Env = append(os.Environ(), insideEnv+"="+dir)
	inside.Stdout, inside.Stderr = os.Stdout, os.Stderr
	inside.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL, // of the first process, and so of all
		Setpgid:    true,            // Ctrl-C is for this process, which cleans up
	}
	runtime.LockOSThread() // the kernel's idea of a parent is a thread
	defer runtime.UnlockOSThread()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	if err := inside.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-interrupted:
			_ = inside.Process.Kill()
		case <-ended:
		}
	}()
	err = inside.Wait()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return max(1, failed.ExitCode()), nil // -1 if it was killed
	}
	return 0, err
}

// possible returns nil if a node can be had here, and else everything that is missing.
func possible() error {
	var errs []error
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("only root can make namespaces and mounts"))
	}
	if err := extendPath(); err != nil {
		return err
	}
	var missing []string
	for _, program := range []string{"containerd", "ctr", "runc", "iptables", "nft", "ipset", "conntrack", "ethtool", "socat", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if _, err := os.Stat(filepath.Join(cniPlugins, "ptp")); err != nil {
		missing = append(missing, filepath.Join(cniPlugins, "ptp"))
	}
	if len(missing) > 0 {
		errs = append(errs, fmt.Errorf("not installed: %s; on Debian: apt-get install %s", strings.Join(missing, " "), Packages))
	}
	if _, err := programs(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// extendPath adds the folders of programs that only root uses.
func extendPath() error { return os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") }

// folders are where the programs were built.
type folders struct{ controlPlane, node string }

func programs() (folders, error) {
	root, err := binaries.Root(".")
	if err != nil {
		return folders{}, err
	}
	var f folders
	if f.controlPlane, err = binaries.Dir(root); err != nil {
		return folders{}, err
	}
	if f.node, err = binaries.NodeDir(root); err != nil {
		return folders{}, err
	}
	for _, dir := range []string{f.controlPlane, f.node} {
		present, err := binaries.Present(dir)
		if err == nil && !present {
			err = fmt.Errorf("no programs in %s; build them: %s", dir, binaries.BuildNodeCommand)
		}
		if err != nil {
			return folders{}, err
		}
	}
	return f, nil
}
