package review

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podcullis/podcullis/webhook/serving"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// rawAnswer sends all of a body before it looks for an answer, as many clients do.
func rawAnswer(conn *tls.Conn, claim int, body string) (code int, err error) {
	if _, err := fmt.Fprintf(conn, "POST /validate?timeout=10s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", claim); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(conn, body); err != nil {
		return 0, fmt.Errorf("its connection was cut: %w", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, fmt.Errorf("no answer: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	var review admissionv1.AdmissionReview
	if response.StatusCode != http.StatusOK || json.Unmarshal(text, &review) != nil || review.Response == nil || review.Response.UID != "u-1" {
		return 0, fmt.Errorf("HTTP %d %.300s, want an answer to u-1", response.StatusCode, text)
	}
	if review.Response.Allowed {
		return http.StatusOK, nil
	}
	return int(review.Response.Result.Code), nil
}

func dialRaw(t *testing.T, address string, pool *x509.CertPool) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// There is room for one of them at a time, and who has it is judged for longer than the
// others wait.
func TestEveryLargeBodyBeyondTheRoomIsAnswered(t *testing.T) {
	certificate, pool := certificateFor(t)
	judge := newGate()
	r := overTLS(t, serving.Options{Certificates: certificate}, NewHandler(judge, Options{
		Logger: servingtest.Quiet, MaxBodyBytes: 16 << 20, BodyBudgetBytes: 16 << 20, EvaluationTime: time.Minute,
	}))
	const callers = 6
	body := paddedReview(12 << 20)
	type outcome struct {
		code int
		err  error
	}
	outcomes := make(chan outcome, callers)
	for range callers {
		conn := dialRaw(t, r.Address, pool)
		go func() {
			code, err := rawAnswer(conn, len(body), body)
			outcomes <- outcome{code, err}
		}()
	}
	<-judge.entered
	codes := map[int]int{}
	for i := range callers {
		if i == callers-1 {
			close(judge.open)
		}
		o := <-outcomes
		if o.err != nil {
			t.Error(o.err)
		}
		codes[o.code]++
	}
	if codes[http.StatusOK] == 0 || codes[http.StatusTooManyRequests] == 0 || codes[http.StatusOK]+codes[http.StatusTooManyRequests] != callers {
		t.Errorf("answers by code: %v, want one allowed and the others asked to try again", codes)
	}
}

// Who stops in its body loses its place to somebody else, but not without an answer.
func TestWhoLosesItsPlaceInABodyIsAnswered(t *testing.T) {
	certificate, pool := certificateFor(t)
	const places = 4
	r := overTLS(t, serving.Options{Certificates: certificate, MaxSockets: places}, NewHandler(allowEverything, Options{Logger: servingtest.Quiet}))
	codes, failures := make(chan int, places), make(chan error, places)
	for range places {
		conn := dialRaw(t, r.Address, pool)
		go func() {
			code, err := rawAnswer(conn, len(servingtest.PodReview), servingtest.PodReview[:len(servingtest.PodReview)-1])
			codes <- code
			failures <- err
		}()
	}
	_, text, err := servingtest.Send(servingtest.CallerOf(t, pool), r.Address, "/validate", []byte(servingtest.PodReview))
	var review admissionv1.AdmissionReview
	if err != nil || json.Unmarshal(text, &review) != nil || !review.Response.Allowed {
		t.Errorf("the fifth: %s, %v", text, err)
	}
	got := map[int]int{}
	for range places {
		got[<-codes]++
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	if got[http.StatusTooManyRequests] == 0 {
		t.Errorf("answers by code: %v, want one at least to have lost its place", got)
	}
}
