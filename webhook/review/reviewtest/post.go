package reviewtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
)

// Post sends body to the handler without a network.
func Post(t testing.TB, handler http.Handler, target, body string) *http.Response {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

// Response reads the AdmissionReview of a 200.
func Response(t testing.TB, response *http.Response) (*admissionv1.AdmissionResponse, string) {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil || response.StatusCode != http.StatusOK || review.Response == nil {
		t.Fatalf("want an AdmissionReview with HTTP 200, got HTTP %d %s (%v)", response.StatusCode, body, err)
	}
	return review.Response, review.APIVersion
}
