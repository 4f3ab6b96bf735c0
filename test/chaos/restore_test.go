package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/test/controlplane"
)

// An API server whose etcd was restored is older than what its watchers have heard
// of it. It takes their watches, and is silent until it has come as far again: a
// model that waits for them lives in a future that never was. Here the past has a
// reader of the database, and the model's last news is that there is none.
func TestEtcdRestoredFromABackup(t *testing.T) {
	plane, err := controlplane.Run(t.Context(), controlplane.Bin(t), filepath.Join(t.TempDir(), "plane"), controlplane.Options{AuditPolicy: noAudit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	client, err := kubernetes.NewForConfig(plane.REST())
	if err != nil {
		t.Fatal(err)
	}
	c := cluster{plane, client}
	c.openShop(t)
	logging := strings.TrimSpace(c.kubectl(t, "", "-n", "shop", "get", "pods", "-l", "app=logging", "-o", "name"))
	c.kubectl(t, "", "-n", "shop", "label", logging, "role=reader")
	certs, _ := certificates(t)
	r := c.launch(t, replicaOptions{certs: certs, args: []string{"--max-staleness", maxStaleness.String()}})
	caller, question := newCaller(t), review(t, readers)
	var asked, blind int64
	awaitAnswer := func(what string, allowed bool) time.Duration {
		t.Helper()
		began := time.Now()
		await(t, what, func(ctx context.Context) error {
			asked++
			said, err := caller.ask(ctx, r, question)
			if err == nil && said.allowed && !allowed {
				blind++
			}
			if err == nil && (said.status != http.StatusOK || said.allowed != allowed) {
				err = errors.New(said.String())
			}
			return err
		})
		return time.Since(began)
	}
	awaitAnswer("a refusal while there is a reader", false)

	store, backup := filepath.Join(plane.Dir, "etcd"), filepath.Join(t.TempDir(), "backup")
	c.withoutEtcd(t, func() error { return os.CopyFS(backup, os.DirFS(store)) })
	c.kubectl(t, "", "-n", "shop", "label", logging, "role-")
	for i := range 100 { // so that the restored one does not soon come as far again
		patch := fmt.Appendf(nil, `{"metadata": {"labels": {"later": "%d"}}}`, i)
		if _, err := client.CoreV1().Namespaces().Patch(t.Context(), "shop", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	awaitAnswer("an allow when the reader is none any more", true)

	c.withoutEtcd(t, func() error { return errors.Join(os.RemoveAll(store), os.CopyFS(store, os.DirFS(backup))) })
	blind = 0
	took := awaitAnswer("a refusal, as there is a reader again", false)
	record(t, row{
		day: "etcd restored", injected: "from a backup, a hundred writes back", asked: asked,
		remark: fmt.Sprintf("right %s after the API server was back, %d answers by the old model until then", took.Round(100*time.Millisecond), blind),
	})
	if bound := 4 * maxStaleness; took > bound {
		t.Errorf("right after %s, want at most %s", took, bound)
	}
}

// withoutEtcd does something to what etcd has stored.
func (c cluster) withoutEtcd(t *testing.T, do func() error) {
	t.Helper()
	for _, step := range []func() error{
		c.StopAPIServer, c.StopEtcd, do,
		func() error { return c.StartEtcd(t.Context()) },
		func() error { return c.StartAPIServer(t.Context()) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}
