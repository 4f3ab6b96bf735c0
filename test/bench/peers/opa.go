package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/server"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

//go:embed opa.rego
var opaRego string

// opa is OPA's own server, over TLS, with the cluster where kube-mgmt puts it.
type opa struct {
	server *httptest.Server
	stop   func(context.Context)
}

func newOPA(ctx context.Context, s *scene) (*opa, error) {
	data, err := replicated(s)
	if err != nil {
		return nil, err
	}
	store := inmem.NewFromObject(data)
	manager, err := plugins.New(nil, "peers", store)
	if err != nil {
		return nil, err
	}
	if err := manager.Start(ctx); err != nil {
		return nil, err
	}
	err = storage.Txn(ctx, store, storage.WriteParams, func(txn storage.Transaction) error {
		return store.UpsertPolicy(ctx, txn, "main", []byte(opaRego+reachRego))
	})
	if err != nil {
		return nil, err
	}
	srv, err := server.New().WithStore(store).WithManager(manager).WithAddresses([]string{"http://127.0.0.1:0"}).Init(ctx)
	if err != nil {
		return nil, err
	}
	return &opa{server: httptest.NewTLSServer(srv.Handler), stop: manager.Stop}, nil
}

func (o *opa) close(ctx context.Context) {
	o.server.Close()
	o.stop(ctx)
}

// replicated is the cluster as kube-mgmt lays it out: by resource, namespace, name.
func replicated(s *scene) (map[string]any, error) {
	namespaces, pods, netpols := map[string]any{}, map[string]any{}, map[string]any{}
	put := func(in map[string]any, namespace, name string, o any) {
		if in[namespace] == nil {
			in[namespace] = map[string]any{}
		}
		in[namespace].(map[string]any)[name] = o
	}
	for _, api := range s.objects {
		o, err := runtime.DefaultUnstructuredConverter.ToUnstructured(api)
		if err != nil {
			return nil, err
		}
		switch api.(type) {
		case *corev1.Namespace:
			namespaces[api.GetName()] = o
		case *corev1.Pod:
			put(pods, api.GetNamespace(), api.GetName(), o)
		case *networkingv1.NetworkPolicy:
			put(netpols, api.GetNamespace(), api.GetName(), o)
		}
	}
	return map[string]any{"kubernetes": map[string]any{"namespaces": namespaces, "pods": pods, "networkpolicies": netpols}}, nil
}

func (o *opa) denies(ctx context.Context, r *admissionv1.AdmissionRequest) (bool, error) {
	body, err := json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: r,
	})
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.server.URL+"/", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := o.server.Client().Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, err
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(text, &review); err != nil || review.Response == nil {
		return false, errors.Join(err, fmt.Errorf("OPA answers %s: %.500s", resp.Status, text))
	}
	return !review.Response.Allowed, nil
}
