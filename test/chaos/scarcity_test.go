package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
)

// mounted is a command that runs another one in mount namespaces of its own, after a
// script. Nothing of it is seen outside, and all is gone with the process.
func mounted(t *testing.T, script string) []string {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "none", t.TempDir()).CombinedOutput(); err != nil {
		t.Skipf("no right to mount in a namespace of one's own (%v): %s", err, out)
	}
	return []string{"unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "sh"}
}

// rightFor asks the replica itself until it has answered right so often, and returns how
// often it did not.
func rightFor(t *testing.T, r *replica, caller *caller, questions int) (failures []string) {
	t.Helper()
	for i := range questions {
		question, allowed := harmless, true
		if i%2 == 0 {
			question, allowed = forbidden, false
		}
		said, err := caller.ask(t.Context(), r, review(t, question))
		if err != nil || said.status != http.StatusOK || said.allowed != allowed {
			failures = append(failures, fmt.Sprintf("%s: %v %v", question.Name, said, err))
		}
	}
	return failures
}

// Every line of the log fails for want of room, and nothing else does.
func TestALogOnAFullDiskHarmsNoAnswer(t *testing.T) {
	c := start(t)
	certs, _ := certificates(t)
	dir := t.TempDir()
	within := mounted(t, `mount -t tmpfs -o size=64k none `+dir+`; head -c 1M /dev/zero >`+dir+`/fill 2>/dev/null || :; exec "$@" >`+dir+`/log 2>&1`)
	r := c.launch(t, replicaOptions{certs: certs, within: within, args: []string{"--log-level", "debug"}})
	caller := newCaller(t)
	asked := size(400, 20_000)
	failures := rightFor(t, r, caller, asked)
	r.alive(t)
	record(t, row{day: "full disk", injected: "under the log", asked: int64(asked), wrong: int64(len(failures)), remark: "each line fails, no answer does"})
	if len(failures) > 0 {
		t.Errorf("%d of %d: %s", len(failures), asked, failures[0])
	}
}

// Nobody reads the log any more: the pipe is broken, which ends most programs.
func TestALogThatNobodyReadsEndsNothing(t *testing.T) {
	c := start(t)
	certs, _ := certificates(t)
	// The shell that reads goes; the server keeps its end of the pipe.
	fifo := filepath.Join(t.TempDir(), "log")
	within := []string{"sh", "-euc", `mkfifo ` + fifo + `; (exec 3<` + fifo + `; head -c 1 <&3 >/dev/null) & exec "$@" >` + fifo + ` 2>&1`, "sh"}
	r := c.launch(t, replicaOptions{certs: certs, within: within, args: []string{"--log-level", "debug"}})
	caller := newCaller(t)
	asked := size(200, 10_000)
	failures := rightFor(t, r, caller, asked)
	r.alive(t)
	record(t, row{day: "log pipe broken", injected: "whoever reads standard error has ended", asked: int64(asked), wrong: int64(len(failures))})
	if len(failures) > 0 {
		t.Errorf("%d of %d: %s", len(failures), asked, failures[0])
	}
}

// What has to be written at the start and cannot be is said with the path and the reason,
// and nothing is served.
func TestADiskThatTakesNothingIsNamedAtTheStart(t *testing.T) {
	for name, test := range map[string]struct{ mount, want string }{
		"Full":     {`mount -t tmpfs -o size=4k,nr_inodes=8 none DIR; head -c 1M /dev/zero >DIR/fill 2>/dev/null || :`, "no space left on device"},
		"ReadOnly": {`mount -t tmpfs -o ro none DIR`, "read-only file system"},
	} {
		for where, flags := range map[string][]string{
			"SelfSignedDir": {"--self-signed-dir", "DIR/new"},
			"TemporaryDir":  nil,
		} {
			t.Run(name+where, func(t *testing.T) {
				dir := t.TempDir()
				fill := func(text string) string { return strings.ReplaceAll(text, "DIR", dir) }
				line := append(mounted(t, fill(test.mount)+`; exec "$@"`), build(t), "--cluster-manifests", repository(t, "examples", "shop"), "--bind-address", "127.0.0.1:0", "--metrics-bind-address", "0", "--health-probe-bind-address", "0")
				for _, flag := range flags {
					line = append(line, fill(flag))
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				cmd := exec.CommandContext(ctx, line[0], line[1:]...)
				cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir}
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), test.want) || !strings.Contains(string(out), dir) {
					t.Errorf("%v: %s, want exit code 2, %q and %s", err, out, test.want, dir)
				}
			})
		}
	}
}

// With 64 descriptors: strangers take all that they can get, by every port there is; then they go.
func TestFewDescriptorsAreSurvived(t *testing.T) {
	if _, err := exec.LookPath("prlimit"); err != nil {
		t.Skip("prlimit is not installed")
	}
	c := start(t)
	certs, ca := certificates(t)
	r := c.launch(t, replicaOptions{certs: certs, within: []string{"prlimit", "--nofile=64:64"}})
	c.register(t, r.address, ca, "Fail")
	var strangers []net.Conn
	leave := func() {
		for _, conn := range strangers {
			_ = conn.Close()
		}
		strangers = nil
	}
	t.Cleanup(leave)
	flood := func(address string, n int) {
		for range n {
			if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address); err == nil {
				strangers = append(strangers, conn)
			}
		}
	}
	l := c.load(t, 2, unhurried)
	l.passed(t, 50)
	rounds := size(2, 20)
	var slowest time.Duration // while strangers hold what they can, over a connection of one's own
	for range rounds {
		flood(r.address, 100)
		began := time.Now()
		if failures := rightFor(t, r, newCaller(t), 1); len(failures) > 0 {
			t.Errorf("beside silent connections: %s", failures[0])
		}
		slowest = max(slowest, time.Since(began))
		for _, address := range []string{r.metrics, r.probes} {
			flood(address, 100)
			pause(t, 500*time.Millisecond)
		}
		leave()
	}
	if slowest > 4*time.Second { // the handshake of a silent caller may take 5 s
		t.Errorf("a new caller waited for %s behind silent ones", slowest)
	}
	r.alive(t)
	if l.wrong.Load() > 0 {
		t.Errorf("%d wrong answers: %v", l.wrong.Load(), l.failures)
	}
	r.AwaitReady(t, r.probes)
	await(t, "the right answers", func(ctx context.Context) error {
		for _, netpol := range both {
			if a, err := c.judge(ctx, netpol); a != right {
				return err
			}
		}
		return nil
	})
	l.end()
	record(t, l.row("few descriptors", fmt.Sprintf("64 in all; %d times 100 silent connections to each port", rounds), fmt.Sprintf("a new caller beside them waited %s at most; right when they have gone", slowest.Round(10*time.Millisecond))))
	if l.wrong.Load() > 0 {
		t.Errorf("%d wrong answers", l.wrong.Load())
	}
}

// The name of the API server is gone, and then its connections are, too.
func TestWithoutNamesNothingIsBlind(t *testing.T) {
	c := start(t)
	certs, _ := certificates(t)
	via := newProxy(t, "127.0.0.1:0", strings.TrimPrefix(c.URL, "https://"))
	_, port, err := net.SplitHostPort(via.address())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	hosts, resolver := filepath.Join(dir, "hosts"), filepath.Join(dir, "resolv.conf")
	names := func(text string) { // in place: a new file would not be the one that is mounted
		t.Helper()
		if err := os.WriteFile(hosts, []byte(text), 0o644); err != nil { //nolint:gosec // what /etc/hosts is
			t.Fatal(err)
		}
	}
	names("127.0.0.1 kubernetes\n")
	if err := os.WriteFile(resolver, []byte("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n"), 0o644); err != nil { //nolint:gosec // what /etc/resolv.conf is
		t.Fatal(err)
	}
	r := c.launch(t, replicaOptions{
		certs: certs, kubeconfig: kubeconfigVia(t, c.Kubeconfig, "kubernetes:"+port), args: []string{"--max-staleness", maxStaleness.String()},
		within: mounted(t, `mount --bind `+hosts+` /etc/hosts; mount --bind `+resolver+` /etc/resolv.conf; exec "$@"`),
	})
	caller := newCaller(t)
	names("")
	var asked, blind, unavailable int64
	ask := func(netpol *networkingv1.NetworkPolicy, seconds int) {
		for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); asked++ {
			said, err := caller.ask(t.Context(), r, review(t, netpol))
			switch {
			case err != nil:
				t.Fatal(err)
			case said.allowed:
				blind++
			case said.status == http.StatusServiceUnavailable:
				unavailable++
			}
			pause(t, 20*time.Millisecond)
		}
	}
	ask(forbidden, 8)
	if unavailable > 0 {
		t.Errorf("%d times 503 while connections were open: nobody needs a name then", unavailable)
	}
	via.cut()
	cut := asked
	await(t, "the replica to stop judging", func(ctx context.Context) error {
		said, err := caller.ask(ctx, r, review(t, harmless))
		if err == nil && said.status != http.StatusServiceUnavailable {
			err = errors.New(said.String())
		}
		return err
	})
	ask(forbidden, 2)
	names("127.0.0.1 kubernetes\n")
	r.AwaitReady(t, r.probes)
	if failures := rightFor(t, r, caller, 10); len(failures) > 0 {
		t.Errorf("after the name is back: %s", failures[0])
	}
	record(t, row{day: "no names", injected: "the API server's name is gone, later its connections", asked: asked, wrong: blind, remark: fmt.Sprintf("%d answered right while connections were open, then 503 after --max-staleness; ready when the name was back", cut)})
	if blind > 0 {
		t.Errorf("%d blind allows", blind)
	}
}
