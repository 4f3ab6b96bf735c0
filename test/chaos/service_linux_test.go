package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The API server calls a Service by its cluster IP, and leaves it to the node to find a
// pod: here a proxy stands in for kube-proxy, at that address.
func TestRollingRestartsBehindAServiceLoseNothing(t *testing.T) {
	if !inNetwork(t, "ip addr add "+serviceIP+"/32 dev lo") {
		return
	}
	c := start(t)
	s := c.behindService(t, 2, func(t *testing.T) endpoints { return newProxy(t, serviceIP+":443") })
	s.roll(t, "rolling restart behind a Service", "by cluster IP, HTTP/1.1")
}

// With --enable-aggregator-routing the API server itself chooses an endpoint: since 1.37
// for each request, and before for each connection. Nobody listens at the cluster IP.
func TestRollingRestartsWithAggregatorRoutingLoseNothing(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	shared.args = []string{"--enable-aggregator-routing=true"}
	c := start(t)
	s := c.behindService(t, 2, c.endpointSlice)
	s.roll(t, "rolling restart behind a Service", "aggregator routing, HTTP/1.1")
}

// A replica that ends does not know when the last of its callers has heard of that. Who
// asks seldom lets it be quiet meanwhile, and comes back.
func TestSlowNewsOfAReplicasEndLosesNothing(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	shared.args = []string{"--enable-aggregator-routing=true"}
	c := start(t)
	s := c.behindService(t, 2, c.endpointSlice)
	s.lag = slowNews
	load := c.load(t, 2, 400*time.Millisecond)
	restarts := size(1, 20)
	for range restarts {
		s.restart(t)
		load.passed(t, 10)
	}
	load.clean(t, "slow news of an end", fmt.Sprintf("%d restarts of 2 replicas", restarts), fmt.Sprintf("callers hear of it %s later; 5 requests a second; aggregator routing", slowNews))
}

// The environment of a test that runs in a network of its own.
const (
	networkEnv = "PODCULLIS_CHAOS_NETWORK" // 1 if it does
	webhookEnv = "PODCULLIS_CHAOS_WEBHOOK" // the binary
)

// inNetwork reports whether the test runs in a network of its own, where any address is
// the machine's: endpoints must not have loopback addresses. If it does not, it runs
// there meanwhile.
func inNetwork(t *testing.T, furniture ...string) bool {
	t.Helper()
	if os.Getenv(networkEnv) != "" {
		shared.webhook = os.Getenv(webhookEnv)
		for _, command := range append([]string{"ip link set lo up", "ip addr add " + podNetwork + " dev lo"}, furniture...) {
			words := strings.Fields(command)
			if out, err := exec.CommandContext(t.Context(), ipProgram(t), words[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", command, err, out)
			}
		}
		return true
	}
	ipProgram(t)
	start := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1",
		fmt.Sprintf("-scale=%d", *scale))
	result := filepath.Join(t.TempDir(), "row")
	start.Env = append(os.Environ(), networkEnv+"=1", rowEnv+"="+result, webhookEnv+"="+build(t))
	start.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		start.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		start.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		start.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	runtime.LockOSThread() // the kernel's idea of a parent is a thread
	defer runtime.UnlockOSThread()
	out, err := start.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM):
		t.Skipf("no right to make a network: %v", err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skip(string(out))
	}
	text, err := os.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseRow(string(text))
	if err != nil {
		t.Fatal(err)
	}
	record(t, r)
	return false
}

func ipProgram(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"ip", "/usr/sbin/ip", "/sbin/ip"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("ip is not installed; on Debian: apt-get install iproute2")
	return ""
}
