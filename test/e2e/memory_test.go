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
)

// stateful is a database that a frontend reaches, since before anybody judged.
const stateful = `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: shop},
  spec: {replicas: 1, serviceName: db, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: example.test/c}]}}}}`

const reachesIt = `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: frontend, namespace: shop},
  spec: {replicas: 0, selector: {matchLabels: {app: frontend}}, template: {metadata: {labels: {app: frontend}}, spec: {containers: [{name: c, image: example.test/c}]}}}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: isolated, namespace: shop}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: into-db, namespace: shop},
  spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: frontend}}}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out-of-frontend, namespace: shop},
  spec: {podSelector: {matchLabels: {app: frontend}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}}`

// What one replica saw go comes back when another one judges, which was not there: it
// has copied the memory, or it refuses what is new to it.
func TestAStartingReplicaCopiesTheMemory(t *testing.T) {
	for name, copied := range map[string]bool{"Copied": true, "NotCopied": false} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			c.namespace(t, "shop")
			c.kubectl(t, stateful+"\n---"+reachesIt, "apply", "-f", "-")
			account := []string{"--kubeconfig", c.serviceAccount(t)}
			nobody := slices.Concat(account, []string{"--memory-from", "https://" + freeAddress(t) + "/memory"})

			first := c.gate(t, gateOptions{args: nobody})
			c.kubectl(t, "", "delete", "statefulset", "db", "-n", "shop")
			await(t, "the database to be gone and remembered", func(ctx context.Context) error {
				left, _, err := c.Kubectl(ctx, "", "get", "pods", "-n", "shop", "-o", "name")
				if left != "" || err != nil {
					return fmt.Errorf("left: %s %w", left, err)
				}
				return first.remembers(ctx)
			})
			if _, _, err := c.Kubectl(t.Context(), stateful, "create", "--dry-run=server", "-f", "-"); err != nil {
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
			_, stderr, err := c.Kubectl(t.Context(), stateful, "create", "--dry-run=server", "-f", "-")
			if copied != (err == nil) {
				t.Errorf("admitted: %v, want %v\n%s", err == nil, copied, stderr)
			}
			if err != nil && !strings.Contains(stderr, "only-backend-reaches-db") {
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
	text, err := get(ctx, "http://"+g.metrics+"/metrics")
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
