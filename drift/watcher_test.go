package drift

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// answer is the API server's.
type answer struct {
	mu sync.Mutex // while a Watcher runs beside the test
	reply
}

type reply struct {
	configuration *admissionregistrationv1.ValidatingWebhookConfiguration
	err           error
}

func (a *answer) Get(_ context.Context, name string, _ metav1.GetOptions) (*admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	if name != "podcullis" {
		return nil, errors.New("asked for " + name)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.configuration.DeepCopy(), a.err
}

// watched is a Watcher with all that it says.
type watched struct {
	*Watcher
	answer  *answer
	file    string
	said    bytes.Buffer
	reports []int
}

func watch(t *testing.T, f fixture) *watched {
	t.Helper()
	w := &watched{answer: &answer{reply: reply{configuration: f.live()}}, file: filepath.Join(t.TempDir(), "webhooks.yaml")}
	write(t, w.file, installed)
	var err error
	w.Watcher, err = New(Options{
		File: w.file, Reader: w.answer, Resources: f.doors, Certificate: f.certificate,
		Report: func(n int) { w.reports = append(w.reports, n) },
		Log: slog.New(slog.NewTextHandler(&w.said, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// saying looks once, and returns what was logged.
func (w *watched) saying(t *testing.T) string {
	t.Helper()
	w.said.Reset()
	w.step(t.Context())
	return w.said.String()
}

func TestWatcherSaysWhatIsNew(t *testing.T) {
	f := newIntended(t)
	w := watch(t, f)
	notFound := apierrors.NewNotFound(schema.GroupResource{Resource: "validatingwebhookconfigurations"}, "podcullis")
	const (
		fine    = "level=INFO msg=\"webhook configuration is as installed\" configuration=podcullis\n"
		missing = "level=WARN msg=\"webhook configuration is not as installed\" configuration=podcullis differences=\"ValidatingWebhookConfiguration podcullis is missing: the API server asks about nothing\"\n"
		failed  = "level=ERROR msg=\"webhook configuration not compared, what was found last stands\" error=\"ValidatingWebhookConfiguration podcullis: dial tcp: refused\"\n"
		ignore  = "webhook netpols.podcullis.io: failurePolicy is Ignore, installed as Fail"
	)
	changed := func(change func(*admissionregistrationv1.ValidatingWebhookConfiguration)) reply {
		live := f.live()
		change(live)
		return reply{configuration: live}
	}
	ignored := changed(func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
		c.Webhooks[0].FailurePolicy = new(admissionregistrationv1.Ignore)
	})
	for i, step := range []struct {
		reason string
		answer reply
		want   string
		report int
	}{
		{"somebody who looks sees that it is compared", reply{configuration: f.live()}, fine, 0},
		{"nothing new", reply{configuration: f.live()}, "", 0},
		{"one line names the difference", ignored, "level=WARN msg=\"webhook configuration is not as installed\" configuration=podcullis differences=\"" + ignore + "\"\n", 1},
		{"nothing new", ignored, "", 1},
		{"another difference is new", changed(func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
			c.Webhooks[0].FailurePolicy, c.Webhooks[1].TimeoutSeconds = new(admissionregistrationv1.Ignore), new(int32(1))
		}), "level=WARN msg=\"webhook configuration is not as installed\" configuration=podcullis differences=\"" + ignore + "; webhook workloads.podcullis.io: timeoutSeconds is 1, installed as 10\"\n", 2},
		{"an API server that is away changes nothing", reply{err: errors.New("dial tcp: refused")}, failed, 2},
		{"said once, whatever it is", reply{err: errors.New("dial tcp: refused from another port")}, "", 2},
		{"missing is an answer", reply{err: notFound}, missing, 1},
		{"mended", reply{configuration: f.live()}, fine, 0},
		{"away again is said again", reply{err: errors.New("dial tcp: refused")}, failed, 0},
		{"back, and nothing new", reply{configuration: f.live()}, "", 0},
	} {
		w.answer.reply = step.answer
		if diff := cmp.Diff(step.want, w.saying(t)); diff != "" {
			t.Errorf("step %d, %s (-want +got):\n%s", i, step.reason, diff)
		}
		if got := w.reports[len(w.reports)-1]; got != step.report {
			t.Errorf("step %d, %s: %d differences reported, want %d", i, step.reason, got, step.report)
		}
	}
}

// Before the first answer nothing is known, and so nothing is reported.
func TestWatcherReportsNothingItDoesNotKnow(t *testing.T) {
	w := watch(t, newIntended(t))
	w.answer.reply = reply{err: errors.New("forbidden")}
	w.step(t.Context())
	if len(w.reports) > 0 {
		t.Errorf("reported %v", w.reports)
	}
}

// An upgrade brings a new file some time after the new configuration.
func TestWatcherReadsItsFileAgain(t *testing.T) {
	f := newIntended(t)
	w := watch(t, f)
	w.answer.configuration.Webhooks[0].TimeoutSeconds = new(int32(7))
	w.step(t.Context())
	write(t, w.file, strings.Replace(installed, "timeoutSeconds: 5", "timeoutSeconds: 7", 1))
	w.step(t.Context())
	write(t, w.file, "half a fi")
	if got := w.saying(t); !strings.Contains(got, "not compared") || !strings.Contains(got, "webhooks.yaml") {
		t.Errorf("said %q of a file that does not parse", got)
	}
	if diff := cmp.Diff([]int{1, 0}, w.reports); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

func TestNewWantsAFile(t *testing.T) {
	if _, err := New(Options{File: filepath.Join(t.TempDir(), "none.yaml")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// What somebody does is noticed within a minute.
func TestWatchNoticesWithinAMinute(t *testing.T) {
	f := newIntended(t)
	f.certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil } // the bubble's time is in 2000, before ours is valid
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		go w.Watch(ctx)
		synctest.Wait()
		if diff := cmp.Diff([]int{0}, w.reports); diff != "" {
			t.Fatalf("at the start (-want +got):\n%s", diff)
		}
		w.answer.mu.Lock()
		w.answer.configuration.Webhooks[0].FailurePolicy = new(admissionregistrationv1.Ignore)
		w.answer.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.reports[len(w.reports)-1]; got != 1 {
			t.Errorf("after a minute %d differences are reported", got)
		}
		cancel()
		synctest.Wait()
	})
}
