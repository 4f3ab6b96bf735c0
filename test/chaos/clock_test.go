package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podcullis/podcullis/test/server"
)

// jumpingNow goes into Go's time.Now: the wall clock is off by as many seconds as a file
// says, and the monotonic clock is left alone. No right of the machine lets a process have
// a wall clock of its own (time namespaces shift the others), a program without libc has no
// call to intercept, and the machine's own clock is everybody's.
const jumpingNow = `

var jump struct {
	file  string
	asked bool
}

func wallJump() (seconds int64) {
	if !jump.asked {
		jump.file, _ = syscall.Getenv("WALL_JUMP_FILE")
		jump.asked = true
	}
	if jump.file == "" {
		return 0
	}
	fd, err := syscall.Open(jump.file, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	var text [24]byte
	n, _ := syscall.Read(fd, text[:])
	_ = syscall.Close(fd)
	sign := int64(1)
	for _, c := range text[:max(n, 0)] {
		switch {
		case c == '-':
			sign = -1
		case '0' <= c && c <= '9':
			seconds = seconds*10 + int64(c-'0')
		}
	}
	return sign * seconds
}
`

// buildJumping builds the webhook with a clock that jumps. Nearly all of it is compiled anew
// for that, which is why it is done for the full numbers only.
func buildJumping(t *testing.T) string {
	t.Helper()
	if *scale == 0 {
		t.Skip("a build with another package time takes minutes: with -scale only")
	}
	source := filepath.Join(goruntime.GOROOT(), "src", "time", "time.go") //nolint:staticcheck // the one that runs this test
	text, err := os.ReadFile(source)
	if err != nil {
		t.Skipf("no source of Go: %v", err)
	}
	patched := strings.Replace(string(text), "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {", "\tsec, nsec, mono := runtimeNow()\n\tsec += wallJump()\n\tif mono == 0 {", 1)
	patched = strings.Replace(patched, "import (\n", "import (\n\t\"syscall\"\n", 1) + jumpingNow
	if strings.Count(patched, "wallJump()") != 2 || !strings.Contains(patched, `"syscall"`) {
		t.Fatalf("time.Now of %s is not what it was", goruntime.Version())
	}
	dir := t.TempDir()
	file, overlay, program := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "podcullis-webhook")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: file}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(file, []byte(patched), 0o600), os.WriteFile(overlay, list, 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", program, "./cmd/podcullis-webhook")
	cmd.Dir = repository(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the webhook with a clock that jumps: %v\n%s", err, out)
	}
	return program
}

// The wall clock of the replica's machine jumps by hours and weeks in both directions, and
// no answer changes, nor does readiness: days are the API server's, seconds monotonic.
func TestAClockThatJumpsChangesNothing(t *testing.T) {
	program := buildJumping(t)
	c := start(t)
	ca, certs := newAuthority(t), t.TempDir()
	ca.writeUntil(t, certs, time.Now().Add(30*time.Hour))
	jumps := filepath.Join(t.TempDir(), "jump")
	jump := func(by time.Duration) {
		t.Helper()
		next := jumps + ".new"
		if err := errors.Join(os.WriteFile(next, []byte(strconv.FormatInt(int64(by/time.Second), 10)), 0o600), os.Rename(next, jumps)); err != nil {
			t.Fatal(err)
		}
	}
	jump(0)
	r := c.launch(t, replicaOptions{
		certs: certs, args: []string{"--max-staleness", maxStaleness.String()}, env: []string{"WALL_JUMP_FILE=" + jumps},
		within: []string{"sh", "-euc", `shift; exec ` + program + ` "$@"`, "sh"},
	})
	caller := newCaller(t)
	var asked, wrong int64
	for _, by := range []time.Duration{2 * time.Hour, 31 * time.Hour, 20 * 24 * time.Hour, 0, -2 * time.Hour, -49 * time.Hour, 0} {
		jump(by)
		for end := time.Now().Add(2 * maxStaleness); time.Now().Before(end); asked += 2 {
			failures := rightFor(t, r, caller, 2)
			if wrong += int64(len(failures)); len(failures) > 0 {
				t.Errorf("the clock is off by %s: %s", by, failures[0])
			}
			if text, err := server.Get(t.Context(), "http://"+r.probes+"/readyz"); err != nil {
				t.Errorf("the clock is off by %s: readiness says %s %v", by, text, err)
			}
			pause(t, 200*time.Millisecond)
		}
		await(t, "the metric to show the jump", func(ctx context.Context) error {
			text, err := server.Get(ctx, "http://"+r.metrics+"/metrics")
			if err != nil {
				return err
			}
			_, rest, _ := strings.Cut(text, "\npodcullis_clock_ahead_seconds ")
			shown, err := strconv.ParseFloat(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), 64)
			if err == nil && time.Duration(shown*float64(time.Second)-float64(by)).Abs() > 5*time.Second {
				err = fmt.Errorf("it shows %v s, want %s", shown, by)
			}
			return err
		})
	}
	record(t, row{day: "clock jumps", injected: "the replica's wall clock, by 2 h to 20 days, both ways", asked: asked, wrong: wrong, remark: "ready all the time; the certificate would have ended after 30 h"})
}
