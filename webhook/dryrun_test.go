package webhook

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// In a dry run nothing is denied, not even what cannot be read; it is said instead.
func TestADryRunNeverDenies(t *testing.T) {
	broken := admission.HandlerFunc(func(context.Context, admission.Request) admission.Response { panic("boom") })
	for name, body := range map[string]string{
		"OfAnotherVersion": `{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u"}}`,
		"WithAKeyTwice":    `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","name":"a","name":"b"}}`,
		"ThatPanics":       `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			for mode, allowed := range map[Mode]bool{Enforce: false, DryRun: true} {
				r := httptest.NewRequest(http.MethodPost, "/validate", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				NewReviewHandler(broken, ReviewOptions{Mode: mode}).ServeHTTP(w, r)
				var got admissionv1.AdmissionReview
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Response == nil {
					t.Fatalf("%s: no review: %v %s", mode, err, w.Body)
				}
				if got.Response.Allowed != allowed {
					t.Errorf("%s: allowed is %v, want %v", mode, got.Response.Allowed, allowed)
				}
				if said := strings.Join(got.Response.Warnings, ""); strings.HasPrefix(said, "would be denied: ") != allowed {
					t.Errorf("%s: warnings are %q", mode, said)
				}
			}
		})
	}
}
