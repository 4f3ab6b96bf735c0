package serving

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// crowd is callers with kept-alive connections behind a Service whose endpoint can move:
// each sends one review after the other, with pauses that let connections go idle.
type crowd struct {
	endpoint atomic.Pointer[string]
	calls    atomic.Int64
	mu       sync.Mutex
	lost     []error
	stop     chan struct{}
	gone     sync.WaitGroup
}

func newCrowd(t *testing.T, pool *x509.CertPool, address string, size int) *crowd {
	c := &crowd{stop: make(chan struct{})}
	c.endpoint.Store(&address)
	dialer := net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, *c.endpoint.Load())
		},
		TLSClientConfig:     &tls.Config{RootCAs: pool, ServerName: "localhost"},
		MaxIdleConnsPerHost: size,
		IdleConnTimeout:     time.Second, // the API server's is 90 s
	}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	body := []byte(servingtest.PodReview)
	for range size {
		c.gone.Go(func() {
			for {
				select {
				case <-c.stop:
					return
				case <-time.After(time.Duration(rand.IntN(4000)) * time.Microsecond):
				}
				response, answer, err := servingtest.Send(client, "service", "/validate", body)
				c.calls.Add(1)
				if err == nil && (response.StatusCode != 200 || !strings.Contains(string(answer), `"allowed":true`)) {
					err = context.DeadlineExceeded
				}
				if err != nil {
					c.mu.Lock()
					c.lost = append(c.lost, err)
					c.mu.Unlock()
				}
			}
		})
	}
	t.Cleanup(transport.CloseIdleConnections)
	return c
}

// move is what the endpoints controller does: some time later, callers learn.
func (c *crowd) move(address string) { c.endpoint.Store(&address) }

func (c *crowd) end() []error {
	close(c.stop)
	c.gone.Wait()
	return c.lost
}

// passed waits until the crowd has made so many more calls.
func (c *crowd) passed(t *testing.T, calls int64) {
	until := c.calls.Load() + calls
	servingtest.Eventually(t, "calls are made", func() bool { return c.calls.Load() >= until })
}

func TestRollingRestartsLoseNoRequest(t *testing.T) {
	restarts := 5
	if testing.Short() {
		restarts = 2
	}
	certificate, pool := selfSignedFor(t)
	start := func() *running {
		return serveTLS(t, Options{
			Certificates: certificate,
			// The quiet time is the server's own default: on a busy machine a caller may
			// read the old address and dial it a while later.
			DrainDelay: time.Second, DrainTimeout: 30 * time.Second,
		}, answerAllowed)
	}
	current := start()
	crowd := newCrowd(t, pool, current.Address, 12)
	for range restarts {
		crowd.passed(t, 200)
		next := start()
		current.Cancel()
		crowd.passed(t, 50) // callers still come to the server that goes
		crowd.move(next.Address)
		current.Wait(t)
		current = next
	}
	crowd.passed(t, 50)
	if lost := crowd.end(); len(lost) > 0 {
		t.Errorf("lost %d of %d requests, first: %v", len(lost), crowd.calls.Load(), lost[0])
	}
	t.Logf("%d requests over %d restarts", crowd.calls.Load(), restarts)
}

// TestStockShutdownLosesRequests shows what the drain is for: the same restart with
// http.Server.Shutdown at once, as controller-runtime does it.
func TestStockShutdownLosesRequests(t *testing.T) {
	certificate, pool := selfSignedFor(t)
	handler := answerAllowed
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stock := &http.Server{Handler: handler, TLSConfig: &tls.Config{GetCertificate: certificate.GetCertificate}}
	go func() { _ = stock.ServeTLS(listener, "", "") }()

	crowd := newCrowd(t, pool, listener.Addr().String(), 12)
	crowd.passed(t, 200)
	next := serveTLS(t, Options{Certificates: certificate}, handler)
	_ = stock.Shutdown(t.Context())
	crowd.passed(t, 50)
	crowd.move(next.Address)
	crowd.passed(t, 50)
	lost := crowd.end()
	if len(lost) == 0 {
		t.Error("nothing lost: the drain is not needed any more, or this test's callers are too kind")
	}
	t.Logf("lost %d of %d requests", len(lost), crowd.calls.Load())
}

func TestDrainKeepsServingAndAsksToClose(t *testing.T) {
	certificate, pool := selfSignedFor(t)
	entered, release := make(chan struct{}), make(chan struct{})
	r := serveTLS(t, Options{
		Certificates: certificate,
		DrainDelay:   time.Millisecond, DrainQuiet: 50 * time.Millisecond, DrainTimeout: time.Minute,
	}, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.URL.RawQuery == "slow" {
			close(entered)
			<-release
			if request.Context().Err() != nil {
				w.WriteHeader(http.StatusGone)
			}
		}
	}))
	idle := servingtest.CallerOf(t, pool)
	response, _, err := servingtest.Send(idle, r.Address, "/validate", nil) // its connection stays
	if err != nil || response.Close {
		t.Fatalf("before the drain: close %v, %v", response.Close, err)
	}
	inFlight := make(chan *http.Response, 1)
	go func() {
		response, _, _ := servingtest.Send(servingtest.CallerOf(t, pool), r.Address, "/validate?slow", nil)
		inFlight <- response
	}()
	<-entered

	r.Cancel()
	check := r.server.StartedChecker()
	servingtest.Eventually(t, "draining", func() bool { return check(nil) != nil })
	for name, client := range map[string]*http.Client{"OnTheOldConnection": idle, "OnANewOne": servingtest.CallerOf(t, pool)} {
		response, _, err := servingtest.Send(client, r.Address, "/validate", nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !response.Close {
			t.Errorf("%s: no Connection: close", name)
		}
	}
	select {
	case <-r.Done:
		t.Fatal("ended with a request in flight")
	default:
	}
	close(release)
	if response := <-inFlight; response == nil || response.StatusCode != 200 || !response.Close {
		t.Errorf("the request in flight: %+v", response)
	}
	r.Wait(t)
	if _, err := net.Dial("tcp", r.Address); err == nil {
		t.Error("still listening")
	}
}

func TestDrainWaitsForIdleConnectionsOnlySoLong(t *testing.T) {
	certificate, pool := selfSignedFor(t)
	const limit = 400 * time.Millisecond
	r := serveTLS(t, Options{Certificates: certificate, DrainTimeout: limit}, answerOK)
	if _, _, err := servingtest.Send(servingtest.CallerOf(t, pool), r.Address, "/validate", nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.Cancel()
	r.Wait(t)
	if took := time.Since(began); took < limit {
		t.Errorf("ended after %s with a connection open", took)
	}
}

func TestDrainDelayHoldsWithoutConnections(t *testing.T) {
	certificate, _ := selfSignedFor(t)
	const delay = 200 * time.Millisecond
	r := serveTLS(t, Options{Certificates: certificate, DrainDelay: delay, DrainTimeout: time.Minute}, answerOK)
	check := r.server.StartedChecker()
	servingtest.Eventually(t, "ready", func() bool { return check(nil) == nil })
	began := time.Now()
	r.Cancel()
	r.Wait(t)
	if took := time.Since(began); took < delay {
		t.Errorf("ended after %s: callers that have not heard would be refused", took)
	}
}
