package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/test/server"
)

// An operator's only pod is drained, and the replica that saw it go ends. The one that
// judges when it comes back was not there: it has copied the memory, or it refuses
// what is new to it.
func TestAStartingReplicaCopiesTheMemory(t *testing.T) {
	for name, copied := range map[string]bool{"Copied": true, "NotCopied": false} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			c.namespace(t, "data")
			c.pgCluster(t)
			uid := c.kubectl(t, "", "-n", "data", "get", "pgcluster", "pg", "-o", "jsonpath={.metadata.uid}")
			database := strings.Replace(pod("pg-0", "{tier: frontend, access: db}", "data"), "name: pg-0",
				"name: pg-0, ownerReferences: [{apiVersion: example.test/v1, kind: PgCluster, name: pg, uid: "+uid+", controller: true}]", 1)
			c.kubectl(t, oldHoleInData, "apply", "-f", "-")
			c.kubectl(t, database, "apply", "-f", "-")
			config := filepath.Join(t.TempDir(), "config.yaml")
			write(t, config, []byte(frontendsInData))
			account := []string{"--kubeconfig", c.serviceAccount(t), "--config", config}
			nobody := slices.Concat(account, []string{"--memory-from", "https://" + freeAddress(t) + "/memory"})

			first := c.gate(t, gateOptions{args: nobody})
			c.kubectl(t, "", "delete", "pod", "pg-0", "-n", "data", "--force", "--grace-period=0")
			await(t, "the pod to be remembered", first.remembers)
			if _, _, err := c.Kubectl(t.Context(), database, "create", "--dry-run=server", "-f", "-"); err != nil {
				t.Fatalf("who saw it go refuses it: %v", err)
			}
			first.unregister(t)

			args := nobody
			if copied {
				ca := filepath.Join(t.TempDir(), "ca.crt")
				if err := os.WriteFile(ca, first.ca, 0o600); err != nil {
					t.Fatal(err)
				}
				args = slices.Concat(account, []string{"--memory-from", "https://" + first.address + "/memory", "--memory-ca-file", ca})
				stranger := strings.TrimSpace(c.kubectl(t, "", "create", "token", "default", "-n", "default"))
				for _, token := range []string{stranger, "no-token"} {
					if got := first.askedForMemory(t, token); got != http.StatusForbidden {
						t.Errorf("somebody else gets %d, want 403", got)
					}
				}
			}
			second := c.gate(t, gateOptions{args: args})
			first.stop(t)
			_, stderr, err := c.Kubectl(t.Context(), database, "create", "--dry-run=server", "-f", "-")
			if copied != (err == nil) {
				t.Errorf("admitted: %v, want %v\n%s", err == nil, copied, stderr)
			}
			if err != nil && !strings.Contains(stderr, "frontend-never-reaches-db") {
				t.Errorf("refused for something else: %s", stderr)
			}
			if err := second.remembers(t.Context()); (err == nil) != copied {
				t.Errorf("%v", err)
			}
		})
	}
}

var rememberedPattern = regexp.MustCompile(`(?m)^podcullis_model_remembered [1-9]`)

// remembers is an error when the replica remembers nothing.
func (g *gate) remembers(ctx context.Context) error {
	text, err := server.Get(ctx, "http://"+g.metrics+"/metrics")
	if err == nil && !rememberedPattern.MatchString(text) {
		err = errors.New("nothing is remembered")
	}
	return err
}

// askedForMemory is the status with which the holder of a token is answered.
func (g *gate) askedForMemory(t *testing.T, token string) int {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(g.ca)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+g.address+"/memory", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// serviceAccount is a kubeconfig with a token, as a replica in a pod has one, and the
// rights of readOnlyUser and those that the memory takes.
func (c cluster) serviceAccount(t *testing.T) string {
	t.Helper()
	c.readOnlyUser(t)
	c.kubectl(t, memoryRole, "apply", "-f", "-")
	token := strings.TrimSpace(c.kubectl(t, "", "create", "token", "replica", "-n", "default"))
	ca, err := os.ReadFile(c.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}], users: [{name: u, user: {token: %s}}]}`,
		c.URL, base64.StdEncoding.EncodeToString(ca), token)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const memoryRole = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: replica, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: podcullis-memory}
rules:
- {apiGroups: [authentication.k8s.io], resources: [tokenreviews, selfsubjectreviews], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: podcullis-memory}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: podcullis-memory}
subjects: [{kind: ServiceAccount, name: replica, namespace: default}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: podcullis-replica}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: podcullis-webhook}
subjects: [{kind: ServiceAccount, name: replica, namespace: default}]
`
