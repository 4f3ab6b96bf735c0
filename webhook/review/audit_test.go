package review

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

// In audit mode nothing is denied, not even what cannot be read; it is said instead.
func TestAuditModeNeverDenies(t *testing.T) {
	broken := admission.HandlerFunc(func(context.Context, admission.Request) admission.Response { panic("boom") })
	for name, body := range map[string]string{
		"OfAnotherVersion": `{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u"}}`,
		"WithAKeyTwice":    `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","name":"a","name":"b"}}`,
		"ThatPanics":       `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, audit := range []bool{false, true} {
				r := httptest.NewRequest(http.MethodPost, "/validate", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				NewHandler(broken, Options{Audit: audit}).ServeHTTP(w, r)
				var got admissionv1.AdmissionReview
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Response == nil {
					t.Fatalf("audit %t: no review: %v %s", audit, err, w.Body)
				}
				if got.Response.Allowed != audit {
					t.Errorf("audit %t: allowed is %v", audit, got.Response.Allowed)
				}
				if said := strings.Join(got.Response.Warnings, ""); strings.HasPrefix(said, "would be denied: ") != audit {
					t.Errorf("audit %t: warnings are %q", audit, said)
				}
			}
		})
	}
}
