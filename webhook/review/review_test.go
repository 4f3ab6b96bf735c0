package review

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/webhook/review/reviewtest"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

func TestReviewReachesTheJudgeAndItsAnswerTheCaller(t *testing.T) {
	var seen admission.Request
	handler := NewHandler(admission.HandlerFunc(func(_ context.Context, r admission.Request) admission.Response {
		seen = r
		response := admission.Denied("no")
		response.UID = "somebody-else's"
		response.AuditAnnotations = map[string]string{"a": "b"}
		return response
	}), Options{Logger: servingtest.Quiet})

	body := strings.Replace(servingtest.PodReview, `"dryRun":false`, `"dryRun":true,"ofANewerAPIServer":{"x":1}`, 1)
	got, apiVersion := reviewtest.Response(t, reviewtest.Post(t, handler, "/validate?timeout=5s", body))

	want := &admissionv1.AdmissionResponse{
		UID:              "u-1",
		Result:           &metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: "no"},
		AuditAnnotations: map[string]string{"a": "b"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
	if apiVersion != "admission.k8s.io/v1" {
		t.Errorf("apiVersion %q", apiVersion)
	}
	if seen.UID != "u-1" || seen.Namespace != "shop" || seen.UserInfo.Username != "ann" || seen.DryRun == nil || !*seen.DryRun {
		t.Errorf("the judge saw %+v", seen.AdmissionRequest)
	}
	if diff := cmp.Diff(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"}}`, string(seen.Object.Raw)); diff != "" {
		t.Errorf("object as sent (-want +got):\n%s", diff)
	}
	if seen.OldObject.Raw != nil {
		t.Errorf("oldObject null became %q", seen.OldObject.Raw)
	}
}

func TestWhatIsNoReviewIsNeverAllowed(t *testing.T) {
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	replace := func(old, with string) string {
		if !strings.Contains(servingtest.PodReview, old) {
			t.Fatalf("no %s in the review", old)
		}
		return strings.Replace(servingtest.PodReview, old, with, 1)
	}
	tests := map[string]struct {
		reason string
		body   string
		status int    // of HTTP; 200 is a denial with the uid
		want   string // in the message
	}{
		"Empty":                  {"", "", 400, "not an AdmissionReview"},
		"NotJSON":                {"", "hello", 400, "not an AdmissionReview"},
		"Null":                   {"", "null", 400, "want apiVersion admission.k8s.io/v1"},
		"AnArray":                {"", "[" + servingtest.PodReview + "]", 400, "not an AdmissionReview"},
		"APod":                   {"", `{"kind":"Pod","apiVersion":"v1","metadata":{"uid":"u-1"}}`, 400, "want apiVersion admission.k8s.io/v1 and kind AdmissionReview"},
		"NoKind":                 {"", replace(`"kind":"AdmissionReview",`, ``), 400, "want apiVersion admission.k8s.io/v1 and kind AdmissionReview"},
		"KindInAnotherCase":      {"encoding/json would take it", replace(`"kind":"AdmissionReview"`, `"Kind":"AdmissionReview"`), 400, "want apiVersion"},
		"NoRequest":              {"", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, 400, "no request"},
		"NullRequest":            {"", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":null}`, 400, "no request"},
		"NoUID":                  {"nobody to answer", replace(`"uid":"u-1",`, ``), 400, "no uid"},
		"EmptyUID":               {"", replace(`"uid":"u-1"`, `"uid":""`), 400, "no uid"},
		"UIDInAnotherCase":       {"", replace(`"uid":"u-1"`, `"UID":"u-1"`), 400, "no uid"},
		"NumericUID":             {"", replace(`"uid":"u-1"`, `"uid":1`), 400, "uid"},
		"GiantUID":               {"it is echoed and logged", replace(`"uid":"u-1"`, `"uid":"`+strings.Repeat("u", 300)+`"`), 400, "longer than 256"},
		"V1beta1":                {"", replace(`k8s.io/v1"`, `k8s.io/v1beta1"`), 200, `want apiVersion admission.k8s.io/v1 and kind AdmissionReview, got "admission.k8s.io/v1beta1"`},
		"CutOff":                 {"", servingtest.PodReview[:len(servingtest.PodReview)-2], 200, "unexpected end"},
		"TrailingData":           {"", servingtest.PodReview + "{}", 200, "after top-level value"},
		"WrongTypeInRequest":     {"", replace(`"dryRun":false`, `"dryRun":"no"`), 200, "dryRun"},
		"DuplicateInReview":      {"", replace(`"namespace":"shop"`, `"namespace":"shop","namespace":"kube-system"`), 200, `"namespace" twice`},
		"DuplicateInObject":      {"the typed decoder and Rego could disagree", replace(`"metadata":{"name":"web"}`, `"metadata":{"name":"web","name":"x"}`), 200, `"name" twice`},
		"DuplicateBehindEscapes": {"", replace(`"metadata":{"name":"web"}`, `"metadata":{"name":"web","n\u0061me":"x"}`), 200, `"name" twice`},
		"TooDeep":                {"", replace(`"metadata":{"name":"web"}`, `"metadata":`+deep), 200, "nested deeper than 256"},
		"FarTooDeep":             {"no stack overflow", replace(`"metadata":{"name":"web"}`, `"metadata":`+strings.Repeat(`{"a":`, 1<<20)), 200, "nested deeper than 256"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			metrics, samples := countedMetrics(t)
			handler := NewHandler(allowEverything, Options{Logger: servingtest.Quiet, Metrics: metrics})
			response := reviewtest.Post(t, handler, "/validate", test.body)
			if response.StatusCode != test.status {
				body, _ := io.ReadAll(response.Body)
				t.Fatalf("HTTP %d, want %d (%s): %s", response.StatusCode, test.status, test.reason, body)
			}
			status := new(metav1.Status)
			if test.status == http.StatusOK {
				answer, apiVersion := reviewtest.Response(t, response)
				if answer.Allowed || answer.UID != "u-1" || answer.Result.Code != 400 {
					t.Errorf("want a denial of u-1 with code 400, got %+v", answer)
				}
				if name == "V1beta1" && apiVersion != "admission.k8s.io/v1beta1" {
					t.Errorf("a v1beta1 caller reads only v1beta1, got %s", apiVersion)
				}
				if !strings.Contains(answer.Result.Message, "u-1") {
					t.Errorf("message %q does not name the uid", answer.Result.Message)
				}
				status = answer.Result
			} else if err := json.NewDecoder(response.Body).Decode(status); err != nil || status.Kind != "Status" {
				t.Errorf("want a metav1.Status, got %+v (%v)", status, err)
			}
			if !strings.Contains(status.Message, test.want) {
				t.Errorf("message %q, want %q in it", status.Message, test.want)
			}
			if got := samples()[`podcullis_rejected_requests_total{reason="bad_request"}`]; got != 1 {
				t.Errorf("bad_request counted %v times", got)
			}
		})
	}
}

func TestRequestsThatAreNoPostOfJSON(t *testing.T) {
	tests := map[string]struct {
		method, target, contentType, encoding string
		status                                int
	}{
		"Get":             {"GET", "/validate", "application/json", "", 405},
		"Put":             {"PUT", "/validate", "application/json", "", 405},
		"Options":         {"OPTIONS", "/validate", "application/json", "", 405},
		"NoContentType":   {"POST", "/validate", "", "", 415},
		"Form":            {"POST", "/validate", "application/x-www-form-urlencoded", "", 415},
		"YAML":            {"POST", "/validate", "application/yaml", "", 415},
		"Gzip":            {"POST", "/validate", "application/json", "gzip", 415},
		"WithCharset":     {"POST", "/validate", "application/json; charset=utf-8", "", 200},
		"BadTimeout":      {"POST", "/validate?timeout=soon", "application/json", "", 400},
		"ZeroTimeout":     {"POST", "/validate?timeout=0s", "application/json", "", 400},
		"NegativeTimeout": {"POST", "/validate?timeout=-1s", "application/json", "", 400},
		"EmptyTimeout":    {"POST", "/validate?timeout=", "application/json", "", 400},
		"TwoTimeouts":     {"POST", "/validate?timeout=1s&timeout=2s", "application/json", "", 400},
		"BadQuery":        {"POST", "/validate?a=%zz", "application/json", "", 400},
		"SomeOtherParam":  {"POST", "/validate?a=b", "application/json", "", 200},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequest(test.method, test.target, strings.NewReader(servingtest.PodReview))
			request.Header.Set("Content-Type", test.contentType)
			if test.encoding != "" {
				request.Header.Set("Content-Encoding", test.encoding)
			}
			recorder := httptest.NewRecorder()
			NewHandler(allowEverything, Options{Logger: servingtest.Quiet}).ServeHTTP(recorder, request)
			if recorder.Code != test.status {
				t.Errorf("HTTP %d, want %d: %s", recorder.Code, test.status, recorder.Body)
			}
			if allow := recorder.Header().Get("Allow"); (test.status == 405) != (allow == "POST") {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
}

func TestTimeoutBecomesADeadlineWithRoomForTheAnswer(t *testing.T) {
	tests := map[string]time.Duration{
		"":             9700 * time.Millisecond, // the API's default of 10 s
		"?timeout=5s":  4700 * time.Millisecond,
		"?timeout=1s":  900 * time.Millisecond,
		"?timeout=30s": 29700 * time.Millisecond,
		"?timeout=9h":  29700 * time.Millisecond, // timeoutSeconds is at most 30
	}
	for query, want := range tests {
		t.Run(query, func(t *testing.T) {
			began := time.Now()
			var deadline time.Time
			handler := NewHandler(admission.HandlerFunc(func(ctx context.Context, _ admission.Request) admission.Response {
				deadline, _ = ctx.Deadline()
				return admission.Allowed("")
			}), Options{Logger: servingtest.Quiet})
			reviewtest.Response(t, reviewtest.Post(t, handler, "/validate"+query, servingtest.PodReview))
			if latest := time.Now().Add(want); deadline.Before(began.Add(want)) || deadline.After(latest) {
				t.Errorf("deadline after %s, want %s", deadline.Sub(began), want)
			}
		})
	}
}

func TestAnAnswerAfterTheDeadlineIsStillTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := NewHandler(admission.HandlerFunc(func(ctx context.Context, _ admission.Request) admission.Response {
			<-ctx.Done()
			return admission.Denied("too slow")
		}), Options{Logger: servingtest.Quiet})
		answer, _ := reviewtest.Response(t, reviewtest.Post(t, handler, "/validate?timeout=50ms", servingtest.PodReview))
		if answer.Allowed || answer.Result.Message != "too slow" {
			t.Errorf("got %+v", answer)
		}
	})
}

func TestAPanicIsADenialThatNamesTheRequest(t *testing.T) {
	metrics, samples := countedMetrics(t)
	var log strings.Builder
	handler := NewHandler(admission.HandlerFunc(func(context.Context, admission.Request) admission.Response {
		panic("secret of another namespace")
	}), Options{Logger: servingtest.TextLogger(&log), Metrics: metrics})
	answer, _ := reviewtest.Response(t, reviewtest.Post(t, handler, "/validate", servingtest.PodReview))
	if answer.Allowed || answer.UID != "u-1" || answer.Result.Code != 500 || !strings.Contains(answer.Result.Message, "u-1") {
		t.Errorf("got %+v", answer)
	}
	if strings.Contains(answer.Result.Message, "secret") {
		t.Errorf("the panic's text went to the user: %s", answer.Result.Message)
	}
	if got := samples()["podcullis_panics_total{}"]; got != 1 {
		t.Errorf("panics counted: %v", got)
	}
	if !strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "review_test.go") {
		t.Errorf("log without cause or stack: %s", log.String())
	}
	if got := samples()[`podcullis_admission_requests_total{decision="error",dry_run="false",operation="CREATE",resource="pods"}`]; got != 1 {
		t.Errorf("decision error counted %v times", got)
	}
}

func TestAPanicOutsideTheJudgeIsAFailedCall(t *testing.T) {
	metrics, samples := countedMetrics(t)
	handler := NewHandler(allowEverything, Options{
		Logger: servingtest.Quiet, Metrics: metrics, Ready: func() error { panic("broken") },
	})
	if response := reviewtest.Post(t, handler, "/validate", servingtest.PodReview); response.StatusCode != 500 {
		t.Errorf("HTTP %d", response.StatusCode)
	}
	if got := samples()["podcullis_panics_total{}"]; got != 1 {
		t.Errorf("panics counted: %v", got)
	}
}

func TestAnUnreadyServerAsksToTryAgain(t *testing.T) {
	metrics, samples := countedMetrics(t)
	handler := NewHandler(allowEverything, Options{
		Logger: servingtest.Quiet, Metrics: metrics, Ready: func() error { return errors.New("informers have not synced") },
	})
	response := reviewtest.Post(t, handler, "/validate", servingtest.PodReview)
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" || !strings.Contains(string(body), "informers have not synced") {
		t.Errorf("HTTP %d, Retry-After %q, %s", response.StatusCode, response.Header.Get("Retry-After"), body)
	}
	if got := samples()[`podcullis_rejected_requests_total{reason="not_ready"}`]; got != 1 {
		t.Errorf("not_ready counted %v times", got)
	}
}

func TestADenialWithoutACodeIsForbidden(t *testing.T) {
	for name, response := range map[string]admission.Response{
		"NoResult": {},
		"NoCode":   {AdmissionResponse: admissionv1.AdmissionResponse{Result: &metav1.Status{Message: "no"}}},
	} {
		t.Run(name, func(t *testing.T) {
			handler := NewHandler(admission.HandlerFunc(func(context.Context, admission.Request) admission.Response {
				return response
			}), Options{Logger: servingtest.Quiet})
			answer, _ := reviewtest.Response(t, reviewtest.Post(t, handler, "/validate", servingtest.PodReview))
			if answer.Allowed || answer.Result.Code != 403 {
				t.Errorf("got %+v", answer)
			}
		})
	}
}

func TestMetricsAreBoundedAndNameNoObject(t *testing.T) {
	metrics, samples := countedMetrics(t)
	handler := NewHandler(allowEverything, Options{Logger: servingtest.Quiet, Metrics: metrics})
	send := func(resource, group, subresource, operation string) {
		body := strings.Replace(servingtest.PodReview, `"resource":{"group":"","version":"v1","resource":"pods"}`,
			fmt.Sprintf(`"resource":{"group":%q,"version":"v1","resource":%q},"subResource":%q`, group, resource, subresource), 1)
		body = strings.Replace(body, `"operation":"CREATE"`, fmt.Sprintf(`"operation":%q`, operation), 1)
		reviewtest.Response(t, reviewtest.Post(t, handler, "/validate", body))
	}
	send("pods", "", "", "CREATE")
	send("pods", "", "status", "UPDATE")
	send("networkpolicies", "networking.k8s.io", "", "DELETE")
	send("networkpolicies", "crd.projectcalico.org", "", "CREATE")
	send("pods", "tenant.example", "", "CREATE")
	send("web-0815", "", "", "BREW")
	want := map[string]float64{
		`{decision="allow",dry_run="false",operation="CREATE",resource="other"}`:           2,
		`{decision="allow",dry_run="false",operation="CREATE",resource="pods"}`:            1,
		`{decision="allow",dry_run="false",operation="DELETE",resource="networkpolicies"}`: 1,
		`{decision="allow",dry_run="false",operation="UPDATE",resource="pods/status"}`:     1,
		`{decision="allow",dry_run="false",operation="other",resource="other"}`:            1,
	}
	got := map[string]float64{}
	for sample, value := range samples() {
		if labels, ok := strings.CutPrefix(sample, "podcullis_admission_requests_total"); ok {
			got[labels] = value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("podcullis_admission_requests_total (-want +got):\n%s", diff)
	}
}
