package chaos

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podcullis/podcullis/test/controlplane"
)

// patience is how long a condition may take to come true on a busy machine.
const patience = 2 * time.Minute

var scale = flag.Int("scale", 0, "percent of the full numbers, and a table of what came out; 0 for a few seconds of each")

// size is how much of something a test does.
func size(short, long int) int { return max(short, long**scale/100) }

// shared is what the tests of this binary share.
var shared struct {
	sync.Mutex
	dir     string
	plane   *controlplane.ControlPlane
	client  *kubernetes.Clientset
	webhook string   // the binary
	args    []string // of the API server, beside the usual ones
	table   []row
}

// row is what one bad day came to.
type row struct {
	day, injected      string
	asked, wrong, lost int64
	remark             string
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	ctrllog.SetLogger(logr.Discard()) // informers that lose their API server have much to say
	klog.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp("", "podcullis-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared.dir = dir
	began := time.Now()
	code := m.Run()
	if shared.plane != nil {
		if err := shared.plane.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop control plane:", err)
			code = 1
		}
	}
	if *scale > 0 || testing.Verbose() {
		printTable(time.Since(began))
	}
	return code
}

func printTable(took time.Duration) {
	fmt.Printf("\n%s, %d CPUs, %s/%s, %s\n\n", time.Now().UTC().Format("2006-01-02"), goruntime.NumCPU(), goruntime.GOOS, goruntime.GOARCH, took.Round(time.Second))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| bad day\t| faults\t| requests\t| wrong\t| lost\t| remarks\t|")
	fmt.Fprintln(w, "|---\t|---\t|--:\t|--:\t|--:\t|---\t|")
	for _, r := range shared.table {
		fmt.Fprintf(w, "| %s\t| %s\t| %d\t| %d\t| %d\t| %s\t|\n", r.day, r.injected, r.asked, r.wrong, r.lost, r.remark)
	}
	w.Flush()
}

// record adds a row to the table and to the test's log.
func record(t *testing.T, r row) {
	t.Helper()
	shared.Lock()
	shared.table = append(shared.table, r)
	shared.Unlock()
	t.Logf("%s: %s; %d requests, %d wrong, %d lost; %s", r.day, r.injected, r.asked, r.wrong, r.lost, r.remark)
	if file := os.Getenv(rowEnv); file != "" {
		if err := os.WriteFile(file, []byte(r.line()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// rowEnv names the file for the row of a test that was started by another one.
const rowEnv = "PODCULLIS_CHAOS_ROW"

// line is a row that parseRow reads.
func (r row) line() string {
	return fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%s", r.day, r.injected, r.asked, r.wrong, r.lost, r.remark)
}

func parseRow(line string) (row, error) {
	parts := strings.Split(line, "\t")
	if len(parts) != 6 {
		return row{}, fmt.Errorf("%q is no row", line)
	}
	r := row{day: parts[0], injected: parts[1], remark: parts[5]}
	_, err := fmt.Sscan(strings.Join(parts[2:5], " "), &r.asked, &r.wrong, &r.lost)
	return r, err
}

// cluster is the control plane as one test sees it.
type cluster struct {
	*controlplane.ControlPlane
	client *kubernetes.Clientset
}

// start returns the shared control plane with the shop open, and no webhook.
func start(t *testing.T) cluster {
	t.Helper()
	bin := controlplane.Bin(t)
	shared.Lock()
	fresh := shared.plane == nil
	if fresh {
		plane, err := controlplane.Run(t.Context(), bin, filepath.Join(shared.dir, "plane-of-"+t.Name()), controlplane.Options{AuditPolicy: noAudit, APIServerArgs: shared.args})
		if err != nil {
			shared.Unlock()
			t.Fatal(err)
		}
		shared.plane = plane
		config := plane.REST()
		config.ContentType = runtime.ContentTypeProtobuf // a million requests are cheaper so
		if shared.client, err = kubernetes.NewForConfig(config); err != nil {
			shared.Unlock()
			t.Fatal(err)
		}
	}
	c := cluster{shared.plane, shared.client}
	shared.Unlock()
	if fresh {
		c.openShop(t)
	}
	return c
}

// openShop makes the example's objects, and waits for its pods.
func (c cluster) openShop(t *testing.T) {
	t.Helper()
	if err := c.CreateNamespace(t.Context(), "shop", nil); err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, "", "apply", "-f", repository(t, "examples", "shop"))
	await(t, "the shop's pods", func(ctx context.Context) error {
		out, _, err := c.Kubectl(ctx, "", "get", "pods", "-n", "shop", "-o", "name")
		if n := len(strings.Fields(out)); err == nil && n < 5 {
			err = fmt.Errorf("%d of 5", n)
		}
		return err
	})
}

// noAudit: nobody reads it here, and it would hold up a million requests.
const noAudit = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None}]\n"

// kubectl runs a command that must succeed, and returns what it printed.
func (c cluster) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, err := c.Kubectl(t.Context(), stdin, args...)
	if err != nil {
		t.Fatalf("kubectl %v: %v\n%s", args, err, stderr)
	}
	return stdout
}

// kubectlAnyway is for cleaning up.
func (c cluster) kubectlAnyway(args ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _, _ = c.Kubectl(ctx, "", args...)
}

// await fails the test when the condition does not come true.
func await(t *testing.T, what string, condition func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := controlplane.Await(ctx, what, condition); err != nil {
		t.Fatal(err)
	}
}

// repository is a path in it.
func repository(t *testing.T, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"..", ".."}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func ptr[T any](v T) *T { return &v }
