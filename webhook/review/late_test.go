package review

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/webhook/review/reviewtest"
	"github.com/podcullis/podcullis/webhook/serving"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// stuck is a judge that heeds no deadline, and allows in the end.
type stuck struct {
	release chan struct{}
	judging atomic.Int64
}

func (s *stuck) Handle(context.Context, admission.Request) admission.Response {
	s.judging.Add(1)
	defer s.judging.Add(-1)
	<-s.release
	return admission.Allowed("")
}

func TestAJudgeThatDoesNotComeToAnEndIsNotWaitedFor(t *testing.T) {
	certificate, pool := certificateFor(t)
	for name, tt := range map[string]struct {
		options Options
		path    string
		allowed bool
		code    int32
	}{
		"ItsTimeIsUp":       {Options{EvaluationTime: time.Millisecond}, "/validate", false, 504},
		"OthersGetItsPlace": {Options{EvaluationTime: time.Millisecond, MaxInFlight: 1, MaxQueue: -1}, "/validate", false, 504},
		"TheCallersTimeIs":  {Options{EvaluationTime: time.Hour}, "/validate?timeout=100ms", false, 504},
		"AuditDeniesNobody": {Options{EvaluationTime: time.Millisecond, Audit: true}, "/validate", true, 504},
	} {
		t.Run(name, func(t *testing.T) {
			judge := &stuck{release: make(chan struct{})}
			metrics, samples := countedMetrics(t)
			tt.options.Logger, tt.options.Metrics = servingtest.Quiet, metrics
			r := overTLS(t, serving.Options{Certificates: certificate}, NewHandler(judge, tt.options))
			client := servingtest.CallerOf(t, pool)
			client.Timeout = 10 * time.Second
			for range 3 { // the caller must not wait behind the judge on the same connection
				response, body, err := servingtest.Send(client, r.Address, tt.path, []byte(servingtest.PodReview))
				var review admissionv1.AdmissionReview
				if err != nil || response.StatusCode != http.StatusOK || json.Unmarshal(body, &review) != nil {
					t.Fatalf("got %s (%v)", body, err)
				}
				said := review.Response
				if said.UID != "u-1" || said.Allowed != tt.allowed || said.Result.Code != tt.code || !strings.Contains(said.Result.Message, "it did not finish within") {
					t.Errorf("got %s", body)
				}
				if tt.allowed && (len(said.Warnings) != 1 || !strings.HasPrefix(said.Warnings[0], "would be denied: podcullis cannot judge this in time")) {
					t.Errorf("warnings %q", said.Warnings)
				}
				if !response.Close {
					t.Error("the caller is not told to leave the connection")
				}
			}
			if n := judge.judging.Load(); n != 3 {
				t.Errorf("%d are being judged, want 3", n)
			}
			decision := map[bool]string{false: "error", true: "warn"}[tt.allowed]
			if n := samples()[`podcullis_admission_requests_total{decision="`+decision+`",dry_run="false",operation="CREATE",resource="pods"}`]; n != 3 {
				t.Errorf("%v counted as %s, want 3: %v", n, decision, samples())
			}
			close(judge.release)
			servingtest.Eventually(t, "the judge to come to its end", func() bool { return samples()["podcullis_admission_in_flight"] == 0 })
			for sample, n := range samples() {
				if strings.HasPrefix(sample, "podcullis_admission_requests_total{") && strings.Contains(sample, `decision="allow"`) && n > 0 {
					t.Errorf("%s %v: what came too late is counted", sample, n)
				}
			}
		})
	}
}

func TestAJudgeInTimeIsNotLate(t *testing.T) {
	response := reviewtest.Post(t, NewHandler(allowEverything, Options{Logger: servingtest.Quiet, EvaluationTime: time.Hour}), "/validate", servingtest.PodReview)
	if answer, _ := reviewtest.Response(t, response); !answer.Allowed || response.Header.Get("Connection") != "" {
		t.Errorf("got %+v, %v", answer, response.Header)
	}
}

// Reading, too, can take longer than there is time.
func TestWhatIsNotReadInTimeIsRefusedByItsUID(t *testing.T) {
	h := NewHandler(allowEverything, Options{Logger: servingtest.Quiet}).(*handler)
	recorder := httptest.NewRecorder()
	a := &answering{handler: h, w: recorder, body: []byte(servingtest.PodReview), place: &place{handler: h}, began: time.Now()}
	a.once.Do(a.refuseLate)
	a.answer(admission.Allowed("too late"))
	answer, _ := reviewtest.Response(t, recorder.Result())
	if answer.UID != "u-1" || answer.Allowed || answer.Result.Code != 504 || !recorder.Flushed {
		t.Errorf("got %+v", answer)
	}
}
