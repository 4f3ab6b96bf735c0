package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const expected = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: podcullis}
webhooks:
- name: podcullis.io
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {url: "https://localhost:9443/validate"}
`

// The flag, the certificate that is served, the log and the metric are one chain.
func TestDriftIsLoggedAndCounted(t *testing.T) {
	dir := t.TempDir()
	answers := make(chan *admissionregistrationv1.ValidatingWebhookConfiguration, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/podcullis" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(<-answers)
	}))
	defer api.Close()
	o := defaultOptions()
	o.kubeconfig, o.selfSignedDir, o.expectedWebhooks = filepath.Join(dir, "kubeconfig"), dir, filepath.Join(dir, "webhooks.yaml")
	for file, text := range map[string]string{
		o.expectedWebhooks: expected,
		o.kubeconfig: fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c, cluster: {server: %q}}]}`, api.URL),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		failurePolicy admissionregistrationv1.FailurePolicyType
		want          string
		metric        float64
	}{
		"AsInstalled": {"Fail", `msg="webhook configuration is as installed" configuration=podcullis`, 0},
		"Narrowed":    {"Ignore", `level=WARN msg="webhook configuration is not as installed" configuration=podcullis differences="webhook podcullis.io: failurePolicy is Ignore, installed as Fail"`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			a, err := setup(t.Context(), o, &log)
			if err != nil {
				t.Fatal(err)
			}
			ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
			if err != nil {
				t.Fatal(err)
			}
			if _, known := metric(t, a, "podcullis_webhook_configuration_drift"); known {
				t.Error("a number before the first answer")
			}
			answers <- &admissionregistrationv1.ValidatingWebhookConfiguration{
				TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration"},
				ObjectMeta: metav1.ObjectMeta{Name: "podcullis"},
				Webhooks: []admissionregistrationv1.ValidatingWebhook{{
					Name: "podcullis.io", AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
					ClientConfig:  admissionregistrationv1.WebhookClientConfig{URL: new("https://localhost:9443/validate"), CABundle: ca},
					FailurePolicy: &tc.failurePolicy, MatchPolicy: new(admissionregistrationv1.Equivalent), TimeoutSeconds: new(int32(10)),
					NamespaceSelector: &metav1.LabelSelector{}, ObjectSelector: &metav1.LabelSelector{},
				}},
			}
			watchOnce(t, a)
			a.lines.Close(time.Minute) // so that all of it is written
			if !strings.Contains(log.String(), tc.want) {
				t.Errorf("the log does not have %s:\n%s", tc.want, log.String())
			}
			if got, known := metric(t, a, "podcullis_webhook_configuration_drift"); !known || got != tc.metric {
				t.Errorf("metric %v (known %v), want %v", got, known, tc.metric)
			}
		})
	}
}

// watchOnce runs the watches until drift has been counted, and to their end.
func watchOnce(t *testing.T, a *app) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var running sync.WaitGroup
	for _, watch := range a.watches {
		running.Go(func() { watch(ctx) })
	}
	for known := false; !known; {
		select {
		case <-ctx.Done():
			t.Fatal("nothing was counted")
		case <-time.After(10 * time.Millisecond):
		}
		_, known = metric(t, a, "podcullis_webhook_configuration_drift")
	}
	cancel()
	running.Wait()
}

func metric(t *testing.T, a *app, name string) (value float64, known bool) {
	t.Helper()
	families, err := a.registry.Gather()
	if err != nil {
		t.Error(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue(), true
		}
	}
	return 0, false
}

func TestExpectedWebhooksHasToBeThere(t *testing.T) {
	o := defaultOptions()
	o.selfSignedDir = t.TempDir()
	o.kubeconfig = filepath.Join(o.selfSignedDir, "kubeconfig")
	if err := os.WriteFile(o.kubeconfig, []byte(`{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	o.expectedWebhooks = filepath.Join(o.selfSignedDir, "none.yaml")
	_, err := setup(t.Context(), o, io.Discard)
	if want := "--expected-webhooks: open " + o.expectedWebhooks + ": no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	o.kubeconfig, o.clusterManifests = "", []string{o.selfSignedDir}
	if err := o.Validate(nil); err == nil || err.Error() != "--expected-webhooks needs an API server, and --cluster-manifests takes the place of one" {
		t.Errorf("with --cluster-manifests: %v", err)
	}
}
