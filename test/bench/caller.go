package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
)

// caller sends reviews as the API server does: HTTP/1.1, TLS, connections kept.
type caller struct {
	url    string
	client *http.Client
}

// clients is how many connections a caller keeps: as many reviews are under way.
const clients = 16

func newCaller(url, caFile string) (*caller, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return &caller{url: url, client: &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12},
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2
			MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients,
		},
	}}, nil
}

// review sends one AdmissionReview and returns the answer's text.
func (c *caller) review(ctx context.Context, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"?timeout=10s", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, */*")
	req.Header.Set("User-Agent", "kube-apiserver-admission")
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", c.url, resp.Status, text)
	}
	return text, err
}

var allowed = []byte(`"allowed":true`)

// mustAllow sends a review that has to be allowed.
func (c *caller) mustAllow(ctx context.Context, body []byte) error {
	text, err := c.review(ctx, body)
	if err == nil && !bytes.Contains(text, allowed) {
		err = fmt.Errorf("not allowed: %s", text)
	}
	return err
}

// denial sends a review that has to be denied and returns the message.
func (c *caller) denial(ctx context.Context, body []byte) (string, error) {
	text, err := c.review(ctx, body)
	if err != nil {
		return "", err
	}
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(text, &answer); err != nil {
		return "", err
	}
	if answer.Response == nil || answer.Response.Allowed || answer.Response.Result == nil {
		return "", errors.New("not denied: " + string(text))
	}
	return answer.Response.Result.Message, nil
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}
