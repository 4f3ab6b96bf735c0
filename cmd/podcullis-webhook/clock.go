package main

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
)

const (
	// clockPrecision is how far a Date, which has whole seconds and was on its way for
	// a while, may be off without meaning anything.
	clockPrecision = 2 * time.Second
	// clockTolerance is how far clocks may differ before it is worth a line.
	clockTolerance = time.Minute
)

// apiClock is the clock of the API server, by the Date of its answers, which come every
// few seconds (docs/adr/0027-clock.md). All that has to do with days goes by it: when an
// exemption ends, how long a namespace has been deleted, whether a certificate is valid.
// The API server is who wrote those times or holds others to them, so a machine whose own
// clock jumps changes no answer. Between answers it goes on as the machine's monotonic
// clock does. Without an API server, and before its first answer, it is the machine's.
type apiClock struct {
	local func() time.Time
	log   *slog.Logger

	mu     sync.Mutex
	at     time.Time // what the API server said, without a monotonic reading
	heard  time.Time // when, with one
	differ bool      // whether the two differ by more than clockTolerance
}

func newAPIClock(log *slog.Logger, registry prometheus.Registerer) *apiClock {
	c := &apiClock{local: time.Now, log: log}
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "podcullis_clock_ahead_seconds",
		Help: "By how much this machine's clock is ahead of the API server's; negative when it is behind. Days are counted by the API server's.",
	}, func() float64 { return c.ahead().Seconds() }))
	return c
}

// Now is the API server's time.
func (c *apiClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nowLocked()
}

func (c *apiClock) nowLocked() time.Time {
	if c.heard.IsZero() {
		return c.local()
	}
	return c.at.Add(c.local().Sub(c.heard)) // by the monotonic clock
}

// ahead is how much the machine's clock is.
func (c *apiClock) ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead := c.local().Round(0).Sub(c.nowLocked().Round(0)) // wall against wall
	if ahead.Abs() <= clockPrecision {
		return 0
	}
	return ahead
}

// listen has every answer of the API server heard.
func (c *apiClock) listen(config *rest.Config) {
	config.Wrap(func(inner http.RoundTripper) http.RoundTripper { return listening{inner, c} })
}

type listening struct {
	http.RoundTripper
	clock *apiClock
}

func (l listening) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		if at, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
			l.clock.hear(at)
		}
	}
	return answer, err
}

// hear takes the API server's time. One that differs by no more than what a Date is worth
// changes nothing, so that time does not go back and forth by a second.
func (c *apiClock) hear(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard.IsZero() || at.Sub(c.nowLocked()).Abs() > clockPrecision {
		c.at, c.heard = at, c.local()
	}
	ahead := c.local().Round(0).Sub(at)
	if differ := ahead.Abs() > clockTolerance; differ != c.differ {
		c.differ = differ
		if differ {
			c.log.Warn("this machine's clock is not the API server's; days are counted by the API server's", "ahead", ahead.Round(time.Second).String())
		} else {
			c.log.Info("this machine's clock is the API server's again")
		}
	}
}
