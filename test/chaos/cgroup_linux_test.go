package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// cgroup is one with a bound on memory, beyond which the kernel ends what is in it, as it
// does in a container. It is of version 2 where that can bound memory, else of version 1.
type cgroup struct {
	dir string
	v2  bool
}

// newCgroup makes one below that of the test, or skips the test where nobody may.
func newCgroup(t *testing.T, bytes int64) *cgroup {
	t.Helper()
	mine, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip("cgroups cannot be read: ", err)
	}
	g := &cgroup{}
	for line := range strings.Lines(string(mine)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		name := fmt.Sprintf("podcullis-test-%d", os.Getpid())
		switch controllers, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup", parts[2], "cgroup.subtree_control")); {
		case strings.Contains(","+parts[1]+",", ",memory,"):
			g.dir, g.v2 = filepath.Join("/sys/fs/cgroup/memory", name), false
		case parts[0] == "0" && g.dir == "" && strings.Contains(string(controllers), "memory"):
			g.dir, g.v2 = filepath.Join("/sys/fs/cgroup", parts[2], name), true
		}
	}
	if g.dir == "" {
		t.Skip("no cgroup here can bound memory")
	}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Skip("a cgroup cannot be made (root may): ", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(g.dir); err != nil {
			t.Errorf("the cgroup is left: %v", err)
		}
	})
	limits := []string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes"}
	if g.v2 {
		limits = []string{"memory.max", "memory.swap.max"}
	}
	for i, file := range limits {
		value := strconv.FormatInt(bytes, 10)
		if g.v2 && i == 1 {
			value = "0"
		}
		if err := os.WriteFile(filepath.Join(g.dir, file), []byte(value), 0o600); err != nil && i == 0 {
			t.Skip("memory cannot be bounded: ", err)
		}
	}
	return g
}

// procs is the file into which a process writes itself to be in the cgroup.
func (g *cgroup) procs() string { return filepath.Join(g.dir, "cgroup.procs") }

// peak is the most memory that was in use at once, in MiB.
func (g *cgroup) peak(t *testing.T) int64 {
	t.Helper()
	file := "memory.max_usage_in_bytes"
	if g.v2 {
		file = "memory.peak"
	}
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		t.Logf("the peak is not known: %v", err)
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n >> 20
}

// ended counts the processes that the kernel ended for want of memory.
func (g *cgroup) ended(t *testing.T) int {
	t.Helper()
	file := "memory.oom_control"
	if g.v2 {
		file = "memory.events"
	}
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(rest))
			return n
		}
	}
	return 0
}
