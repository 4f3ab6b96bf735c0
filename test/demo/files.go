package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
)

// fileGate sends AdmissionReviews to a webhook whose cluster is the shop's files.
type fileGate struct {
	url    string
	client *http.Client
	files  *manifest.Set
	sent   int
}

func startFileGate(ctx context.Context, bin, dir string) (*fileGate, func() error, error) {
	sources := []string{"examples/shop", "test/demo/neighbours.yaml", "test/demo/pods.yaml"}
	files, err := manifest.Load(sources, nil)
	if err != nil {
		return nil, nil, err
	}
	var args []string
	for _, s := range sources {
		args = append(args, "--cluster-manifests="+s)
	}
	s, err := startServer(ctx, bin, dir, args...)
	if err != nil {
		return nil, nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(s.caBundle)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}}
	stop := func() error {
		client.CloseIdleConnections()
		return s.stop()
	}
	return &fileGate{url: s.url, client: client, files: files}, stop, nil
}

func (g *fileGate) try(ctx context.Context, s step) (answer, error) {
	request, err := g.request(s)
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: request,
	})
	if err != nil {
		return answer{}, err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+"?timeout=10s", bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	post.Header.Set("Content-Type", "application/json")
	got, err := g.client.Do(post)
	if err != nil {
		return answer{}, err
	}
	defer got.Body.Close()
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(got.Body).Decode(&review); err != nil || review.Response == nil {
		return answer{}, fmt.Errorf("HTTP %s: no AdmissionReview: %w", got.Status, err)
	}
	a := answer{allowed: review.Response.Allowed, text: "allowed"}
	if !a.allowed {
		a.text = review.Response.Result.Message
	}
	return a, nil
}

// request is what the API server would send for a step.
func (g *fileGate) request(s step) (*admissionv1.AdmissionRequest, error) {
	g.sent++
	r := &admissionv1.AdmissionRequest{
		UID:       types.UID(fmt.Sprintf("demo-%d", g.sent)),
		Operation: admissionv1.Operation(s.operation),
		Namespace: s.namespace, Name: s.name, DryRun: &s.dryRun,
		UserInfo: authenticationv1.UserInfo{Username: "demo"},
	}
	if s.kind == "Namespace" {
		r.Namespace = s.name
	}
	var object []byte
	if s.operation == "CREATE" {
		var err error
		if object, err = yaml.YAMLToJSON([]byte(s.object)); err != nil {
			return nil, err
		}
		r.Object = runtime.RawExtension{Raw: object}
	} else {
		old, ok := g.files.Lookup(cluster.Ref{Namespace: s.namespace, Kind: s.kind, Name: s.name})
		if !ok {
			return nil, fmt.Errorf("%s %s/%s is not in the shop", s.kind, s.namespace, s.name)
		}
		object = old.JSON
		r.OldObject = runtime.RawExtension{Raw: old.JSON}
	}
	if s.operation == "UPDATE" {
		patched, err := jsonpatch.MergePatch(object, []byte(s.patch))
		if err != nil {
			return nil, err
		}
		r.Object = runtime.RawExtension{Raw: patched}
	}
	var kind metav1.TypeMeta
	if err := json.Unmarshal(object, &kind); err != nil {
		return nil, err
	}
	gvk := kind.GroupVersionKind()
	r.Kind = metav1.GroupVersionKind{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind}
	plural := strings.ToLower(gvk.Kind) + "s"
	if gvk.Kind == "NetworkPolicy" {
		plural = "networkpolicies"
	}
	r.Resource = metav1.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: plural}
	return r, nil
}
