package chart

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podcullis/podcullis/test/controlplane"
)

// before is the chart of the last release, packaged, from which an upgrade has to work. There is
// no release yet: it is that of 26 November 2026, made with `git archive` and `helm package`.
const before = "testdata/podcullis-before.tgz"

// TestUpgradeFromTheChartBefore installs the old chart from its package, and upgrades to the new
// one, from its package, too. With what the old release has left there the server gets ready and
// answers, and goes on while the release is rolled back and upgraded again; certificate, CA and
// values stay. The server is today's: with the rights of the old release it would not get ready
// (docs/upgrade.md), and helm writes the ClusterRole before the Deployment. That pods are replaced
// one by one without a gap is shown on a node (test/node/e2e), not here.
func TestUpgradeFromTheChartBefore(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{APIServerArgs: []string{"--disable-admission-plugins=ServiceAccount"}})
	if err := plane.CreateNamespace(t.Context(), namespace, nil); err != nil {
		t.Fatal(err)
	}
	helm := func(args ...string) {
		t.Helper()
		if _, _, err := plane.Helm(t.Context(), append(args, "-n", namespace)...); err != nil {
			t.Fatal(err)
		}
	}
	absolute := func(path string) string {
		t.Helper()
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	dir := t.TempDir()
	if _, _, err := plane.Helm(t.Context(), "package", absolute(chartDir), "--destination", dir); err != nil {
		t.Fatal(err)
	}
	packages, err := filepath.Glob(dir + "/podcullis-*.tgz")
	if err != nil || len(packages) != 1 {
		t.Fatalf("helm package made %v: %v", packages, err)
	}
	helm("install", "guard", absolute(before), "--set", "certificates.mode=self-managed,mode=enforce,webhook.netpols.failurePolicy=Fail")
	helm("upgrade", "guard", packages[0], "--reset-then-reuse-values")
	server := serverOfRelease(t, plane)
	bundle, certificate := configuration(t, plane, "clientConfig.caBundle"), secret(t, plane, "tls.crt")
	asked := server.askAgainAndAgain(t)
	helm("rollback", "guard", "1")
	helm("upgrade", "guard", packages[0], "--reset-then-reuse-values")
	if secret(t, plane, "tls.crt") != certificate {
		t.Error("the upgrade has taken the certificate away")
	}
	// A webhook that the older chart had not gets its CA from the server.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := controlplane.Await(ctx, "every webhook to have its CA", func(ctx context.Context) error {
		got, _, err := plane.Kubectl(ctx, "", "get", "validatingwebhookconfiguration", "guard-podcullis-"+namespace, "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}")
		if err == nil && got != bundle {
			err = fmt.Errorf("%d of %d have one, or it is another", len(strings.Fields(got)), len(strings.Fields(bundle)))
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if n := asked(); n < 3 {
		t.Errorf("the server was asked %d times only", n)
	}
	if got := strings.Fields(configuration(t, plane, "failurePolicy")); len(got) == 0 || got[0] != "Fail" {
		t.Errorf("failurePolicy %v after the upgrade", got)
	}
}

// releaseServer is a podcullis-webhook with the account, the configuration and the certificate of a release.
type releaseServer struct{ address string }

func serverOfRelease(t *testing.T, plane *controlplane.ControlPlane) releaseServer {
	t.Helper()
	kubeconfig, err := plane.UserKubeconfig("system:serviceaccount:"+namespace+":guard-podcullis", "system:serviceaccounts", "system:authenticated")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var data map[string]string
	if err := json.Unmarshal([]byte(kubectl(t, plane, "", "get", "configmap", "guard-podcullis", "-n", namespace, "-o", "jsonpath={.data}")), &data); err != nil {
		t.Fatal(err)
	}
	for name, text := range data {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := releaseServer{freeAddress(t)}
	probes := runWebhook(t,
		"--bind-address="+s.address, "--kubeconfig="+kubeconfig, "--cert-dir="+t.TempDir(), "--config="+filepath.Join(dir, "guardrails.yaml"), "--policy-dir="+dir, "--expected-webhooks="+filepath.Join(dir, "webhooks.yaml"),
		"--certificate-secret="+namespace+"/guard-podcullis-tls", "--certificate-host=guard-podcullis."+namespace+".svc", "--webhook-configuration=guard-podcullis-"+namespace)
	if err := awaitReady(t, probes); err != nil {
		t.Fatal(err)
	}
	return s
}

const harmless = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"group":"","version":"v1","kind":"Namespace"},
"resource":{"group":"","version":"v1","resource":"namespaces"},"name":"more","namespace":"more","operation":"CREATE","userInfo":{"username":"ann"},"dryRun":true,
"object":{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"more"}}}}`

func (s releaseServer) ask(ctx context.Context) error {
	c := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // whose certificate it is, is not the question here
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.address+"/validate", bytes.NewReader([]byte(harmless)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var r admissionv1.AdmissionReview
	if err := json.Unmarshal(text, &r); err != nil || r.Response == nil || !r.Response.Allowed {
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	return nil
}

// askAgainAndAgain asks until the returned function is called, which says how often.
func (s releaseServer) askAgainAndAgain(t *testing.T) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	n := 0
	wg.Go(func() {
		for ; ctx.Err() == nil; n++ {
			if err := s.ask(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("during the upgrade: %v", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() int {
		cancel()
		wg.Wait()
		return n
	}
}
