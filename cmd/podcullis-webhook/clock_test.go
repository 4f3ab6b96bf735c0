package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
)

// machine is the clock of a machine: its wall clock may jump, and its monotonic one goes on.
type machine struct{ began, now time.Time }

// newMachine begins at a time with a monotonic reading.
func newMachine() *machine { now := time.Now(); return &machine{began: now, now: now} }

func (m *machine) pass(d time.Duration) { m.now = m.now.Add(d) }

// A time of Go holds both clocks, and no function sets one alone. So what the monotonic
// one says is kept, and a jump is made of a reference that jumps the other way.
func TestDaysGoByTheAPIServersClock(t *testing.T) {
	var log strings.Builder
	m := newMachine()
	c := newAPIClock(slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	c.local = func() time.Time { return m.now }
	if got := c.Now(); !got.Equal(m.now) {
		t.Errorf("before an answer it is %s, want the machine's %s", got, m.now)
	}
	api := m.now.Round(0).Add(-30 * 24 * time.Hour) // the machine is a month ahead
	c.hear(api.Truncate(time.Second))
	near := func(want time.Time) {
		t.Helper()
		if off := c.Now().Sub(want).Abs(); off > clockPrecision {
			t.Errorf("it is %s, want %s", c.Now(), want)
		}
	}
	near(api)
	m.pass(time.Hour) // without an answer
	near(api.Add(time.Hour))
	for i := range 100 { // Dates have whole seconds: the clock does not go back for that
		before := c.Now()
		m.pass(100 * time.Millisecond)
		c.hear(api.Add(time.Hour + time.Duration(i+1)*100*time.Millisecond).Truncate(time.Second))
		if c.Now().Before(before) {
			t.Fatalf("it went back from %s to %s", before, c.Now())
		}
	}
	c.hear(api.Add(48 * time.Hour)) // the API server's own clock is set
	near(api.Add(48 * time.Hour))
	if ahead := c.ahead(); ahead < 27*24*time.Hour || ahead > 29*24*time.Hour {
		t.Errorf("the machine is ahead by %s", ahead)
	}
	c.hear(m.now)
	if ahead := c.ahead(); ahead != 0 {
		t.Errorf("the machine is ahead by %s, want 0", ahead)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "ahead=720h0m") {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestEveryAnswerTellsTheTime(t *testing.T) {
	api := time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", api.Format(http.TimeFormat))
		if r.URL.Path == "/broken" {
			w.Header().Set("Date", "yesterday")
		}
	}))
	defer server.Close()
	c := newAPIClock(slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
	config := &rest.Config{Host: server.URL}
	c.listen(config)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/broken"} {
		answer, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if off := c.Now().Sub(api); off < 0 || off > time.Minute {
			t.Errorf("after %s it is %s, want %s", path, c.Now(), api)
		}
	}
}
