package chaos

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// caller asks webhooks without an API server between.
type caller struct {
	*http.Client
	reviews atomic.Int64
}

func newCaller(t *testing.T) *caller {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // whose certificate it is, is another test's subject
		MaxIdleConnsPerHost: 100,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{Client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// review is the creation of a netpol, as the API server would send it; a dry run
// leaves no trace.
func review(t *testing.T, netpol *networkingv1.NetworkPolicy) []byte {
	t.Helper()
	netpol = netpol.DeepCopy()
	netpol.TypeMeta = metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}
	raw, err := json.Marshal(netpol)
	if err != nil {
		t.Fatal(err)
	}
	return reviewOf(t, netpol.Namespace, netpol.Name, raw)
}

func reviewOf(t *testing.T, namespace, name string, netpol []byte) []byte {
	t.Helper()
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: types.UID("uid"), Kind: metav1.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
			Resource:  metav1.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
			Namespace: namespace, Name: name, Operation: admissionv1.Create, DryRun: ptr(true),
			UserInfo: authenticationv1.UserInfo{Username: "ann"}, Object: runtime.RawExtension{Raw: netpol},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// reply is what a webhook said.
type reply struct {
	status  int // HTTP
	allowed bool
	code    int32
	message string
	took    time.Duration
}

func (r reply) String() string {
	return fmt.Sprintf("HTTP %d, allowed %v, code %d, after %s: %.300s", r.status, r.allowed, r.code, r.took, r.message)
}

// ask posts a body to a replica.
func (c *caller) ask(ctx context.Context, r *replica, body []byte) (reply, error) {
	c.reviews.Add(1)
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+r.address+"/validate?timeout=10s", bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	said := reply{status: response.StatusCode, took: time.Since(began), message: string(text)}
	var answer admissionv1.AdmissionReview
	if said.status == http.StatusOK && json.Unmarshal(text, &answer) == nil && answer.Response != nil {
		said.allowed = answer.Response.Allowed
		if answer.Response.Result != nil {
			said.code, said.message = answer.Response.Result.Code, answer.Response.Result.Message
		}
	}
	return said, nil
}
