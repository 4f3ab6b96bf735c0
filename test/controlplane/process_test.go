package controlplane

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestProcessThatEndsOnItsOwn(t *testing.T) {
	p := shell(t, "echo cannot go on; exit 3")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := p.awaitReady(ctx, func(context.Context) error { return errors.New("not yet") })
	wantInError(t, err, "exit status 3", "not yet", "cannot go on")
	wantInError(t, p.stop(), "sh: exited: exit status 3 before it was stopped", "cannot go on")
}

func TestProcessIsGoneAfterStop(t *testing.T) {
	p := shell(t, "exec sleep 600")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
	default:
		t.Error("stop returned before the process was gone")
	}
}

// A test that is killed cannot clean up. That is what the kernel is asked to do.
func TestProcessDiesWithItsParent(t *testing.T) {
	const pidFileEnv = "PODCULLIS_TEST_PID_FILE"
	if path := os.Getenv(pidFileEnv); path != "" {
		shell(t, "echo $$ > "+path+".new; mv "+path+".new "+path+"; exec sleep 600")
		<-t.Context().Done() // until killed
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can do that")
	}
	pidFile := filepath.Join(t.TempDir(), "pid")
	parent := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	parent.Env = append(os.Environ(), pidFileEnv+"="+pidFile)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var pid []byte
	err := Await(ctx, "the child", func(context.Context) (err error) {
		pid, err = os.ReadFile(pidFile)
		return err
	})
	killErr := parent.Process.Kill()
	_ = parent.Wait()
	if err := errors.Join(err, killErr); err != nil {
		t.Fatal(err)
	}
	err = Await(ctx, "the child's end", func(context.Context) error {
		if alive(strings.TrimSpace(string(pid))) {
			return errors.New("it lives")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// alive reports whether a process exists and is no zombie.
func alive(pid string) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestAwaitTellsWhatItSawLast(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), awaitInterval)
	defer cancel()
	err := Await(ctx, "the tide", func(ctx context.Context) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errors.New("low water")
	})
	wantInError(t, err, "await the tide", context.DeadlineExceeded.Error(), "low water")
}

func TestPortsAreDistinct(t *testing.T) {
	got, err := choosePorts()
	if err != nil {
		t.Fatal(err)
	}
	distinct := map[int]bool{got.etcd: true, got.apiServer: true, got.controllerManager: true, got.scheduler: true}
	if len(distinct) != 4 || distinct[0] {
		t.Errorf("got %+v, want four different ports", got)
	}
}

func shell(t *testing.T, script string) *process {
	t.Helper()
	p, err := startProcess("/bin/sh", []string{"-c", script}, os.Environ(), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.stop() })
	return p
}

func wantInError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("want %q in the error:\n%v", part, err)
		}
	}
}
