package bundles

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/podcullis/podcullis/guardrail/bundle/bundletest"
	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/server"
)

var binaries string

func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("", "podcullis-bundles-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binaries = dir
		return m.Run()
	}()
	os.Exit(code)
}

// replica is a server with a bundle.
type replica struct {
	*server.Process
	webhook, metrics, probes, log string
}

const cluster = `apiVersion: v1
kind: Namespace
metadata: {name: shop}
`

// start starts a server, and waits for nothing.
func start(t *testing.T, args ...string) *replica {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "cluster.yaml"), cluster)
	r := &replica{webhook: freeAddress(t), metrics: freeAddress(t), probes: freeAddress(t), log: filepath.Join(dir, "log")}
	server.ShowLog(t, r.log)
	r.Process = server.Start(t, server.Command{Binary: server.Build(t, binaries), LogFile: r.log, Args: append([]string{
		"--cluster-manifests", filepath.Join(dir, "cluster.yaml"), "--bind-address", r.webhook, "--metrics-bind-address", r.metrics,
		"--health-probe-bind-address", r.probes, "--self-signed-dir", dir, "--bundle-period", "100ms", "--drain-timeout", "10ms", "--known-callers",
	}, args...)})
	t.Cleanup(r.Kill)
	return r
}

func (r *replica) ready(t *testing.T) *replica {
	t.Helper()
	r.AwaitReady(t, r.probes)
	return r
}

// readyz is what the address of the probes says, and whether it is ready.
func (r *replica) readyz(t *testing.T) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.probes+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(response.Body)
	return response.StatusCode, text.String()
}

func await(t *testing.T, what string, condition func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := controlplane.Await(ctx, what, condition); err != nil {
		t.Fatal(err)
	}
}

// metric is the value of a series, which is written as the server shows it.
func (r *replica) metric(ctx context.Context, series string) (string, error) {
	text, err := server.Get(ctx, "http://"+r.metrics+"/metrics")
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`(?m)^` + series + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("no series %s", series)
	}
	return m[1], nil
}

func (r *replica) awaitMetric(t *testing.T, series string, is func(string) bool) {
	t.Helper()
	await(t, series, func(ctx context.Context) error {
		got, err := r.metric(ctx, series)
		if err == nil && !is(got) {
			err = fmt.Errorf("it is %s", got)
		}
		return err
	})
}

func (r *replica) awaitRevision(t *testing.T, revision string) {
	t.Helper()
	r.awaitMetric(t, `podcullis_bundle_info\{digest="[0-9a-f]{12}",revision="`+revision+`"\}`, func(v string) bool { return v == "1" })
}

const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":"CREATE",
"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop","name":"web",
"userInfo":{"username":"ann"},"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop"},"spec":{"containers":[{"name":"web","image":"web"}]}}}}`

// judged is who denies a pod without a netpol, and of what revision it is.
func (r *replica) judged(t *testing.T) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+r.webhook+"/validate", strings.NewReader(review))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	var got struct {
		Response struct {
			Allowed          bool              `json:"allowed"`
			AuditAnnotations map[string]string `json:"auditAnnotations"`
			Status           struct {
				Message string `json:"message"`
			} `json:"status"`
		} `json:"response"`
	}
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Response.Allowed {
		return "allowed"
	}
	who := regexp.MustCompile(`\[([^\]]+)\]`).FindStringSubmatch(got.Response.Status.Message)
	if who == nil {
		return got.Response.Status.Message
	}
	return who[1] + " of " + got.Response.AuditAnnotations["revision"]
}

func (r *replica) logged(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(r.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// config is one whose guardrail has a name.
func config(name string) string {
	return "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- {name: " + name + ", guardrail: default-deny, action: deny, parameters: {directions: [Ingress]}}\n"
}

var signedAt = time.Date(2026, 11, 27, 9, 30, 0, 0, time.UTC)

// signed is a good bundle whose guardrail is called as its revision.
func signed(t *testing.T, key bundletest.Key, revision string, serial int64) []byte {
	t.Helper()
	return bundletest.Sign(t, bundletest.Build(t, revision, serial, config("of-"+revision)), key, "prod", signedAt)
}

// trusting are the flags that trust a key.
func trusting(t *testing.T, key bundletest.Key) []string {
	t.Helper()
	return []string{"--bundle-key", "team=" + write(t, filepath.Join(t.TempDir(), "key.pem"), string(key.Public)), "--bundle-scope", "prod"}
}
