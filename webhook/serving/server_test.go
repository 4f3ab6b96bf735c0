package serving

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

var answerOK = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })

func TestOnlyTheExactPathIsServedAndNothingRedirects(t *testing.T) {
	certificate, pool := selfSignedFor(t)
	r := serveTLS(t, Options{Certificates: certificate}, answerOK)
	for target, want := range map[string]int{
		"/validate":            200,
		"/validate?timeout=5s": 200,
		"/validate/":           404,
		"//validate":           404,
		"/./validate":          404,
		"/a/../validate":       404,
		"/%76alidate":          404,
		"/validate%2F":         404,
		"/VALIDATE":            404,
		"/":                    404,
		"*":                    404,
	} {
		t.Run(target, func(t *testing.T) {
			conn, err := tls.Dial("tcp", r.Address, &tls.Config{RootCAs: pool})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			method := "POST"
			if target == "*" {
				method = "OPTIONS"
			}
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", method, target)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != want || response.Header.Get("Location") != "" {
				t.Errorf("HTTP %d Location %q, want %d and none", response.StatusCode, response.Header.Get("Location"), want)
			}
		})
	}
}

func TestTransportIsHTTP11OverModernTLS(t *testing.T) {
	certificate, pool := selfSignedFor(t)
	r := serveTLS(t, Options{Certificates: certificate}, answerOK)
	tests := map[string]struct {
		config *tls.Config
		fails  bool
		tls    uint16
		proto  string
	}{
		"PrefersHTTP11":     {&tls.Config{NextProtos: []string{"h2", "http/1.1"}}, false, tls.VersionTLS13, "http/1.1"},
		"NoALPN":            {&tls.Config{}, false, tls.VersionTLS13, ""},
		"HTTP2Only":         {&tls.Config{NextProtos: []string{"h2"}}, true, 0, ""},
		"TLS12":             {&tls.Config{MaxVersion: tls.VersionTLS12}, false, tls.VersionTLS12, ""},
		"TLS11":             {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, true, 0, ""},
		"CertificateOfHost": {&tls.Config{ServerName: "localhost"}, false, tls.VersionTLS13, ""},
		"AnotherHost":       {&tls.Config{ServerName: "example.org"}, true, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.config.RootCAs = pool
			conn, err := tls.Dial("tcp", r.Address, test.config)
			if (err != nil) != test.fails {
				t.Fatalf("handshake: %v", err)
			}
			if err != nil {
				return
			}
			defer conn.Close()
			state := conn.ConnectionState()
			if state.Version != test.tls || state.NegotiatedProtocol != test.proto {
				t.Errorf("got %s and %q", tls.VersionName(state.Version), state.NegotiatedProtocol)
			}
		})
	}
}

func TestLimitsOfTheHTTPServer(t *testing.T) {
	certificate, pool := selfSignedFor(t)
	r := serveTLS(t, Options{Certificates: certificate}, answerOK)
	server := r.server.httpServer(t.Context())
	got := []any{server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout >= 30*time.Second, server.IdleTimeout > 90*time.Second, server.MaxHeaderBytes}
	if diff := cmp.Diff([]any{5 * time.Second, 15 * time.Second, true, true, 64 << 10}, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	request, _ := http.NewRequest(http.MethodPost, "https://"+r.Address+"/validate", nil)
	request.Header.Set("X-Padding", strings.Repeat("x", 80<<10))
	response, err := servingtest.CallerOf(t, pool).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("an 80 KiB header: HTTP %d", response.StatusCode)
	}
}

func TestSilentCallersDoNotKeepOthersOut(t *testing.T) {
	certificate, pool := selfSignedFor(t)
	r := serveTLS(t, Options{Certificates: certificate, MaxSockets: 16}, answerOK)
	for i := range 64 { // half of them silent, half of them after the handshake
		conn, err := net.Dial("tcp", r.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 1 {
			go func() { _ = tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "localhost"}).Handshake() }()
		}
	}
	client := servingtest.CallerOf(t, pool)
	for i := range 20 {
		client.CloseIdleConnections() // a new connection each time
		began := time.Now()
		response, _, err := servingtest.Send(client, r.Address, "/validate", nil)
		if err != nil {
			t.Fatalf("request %d among silent callers: %v", i, err)
		}
		if took := time.Since(began); response.StatusCode != 200 || took > 4*time.Second {
			t.Errorf("request %d: HTTP %d after %s", i, response.StatusCode, took)
		}
	}
	if open, _ := r.server.sockets.count(); open > 16 {
		t.Errorf("%d sockets are open, limit 16", open)
	}
}

func TestACallerInTheMiddleOfARequestKeepsItsPlace(t *testing.T) {
	certificate, pool := selfSignedFor(t)
	release := make(chan struct{})
	entered := make(chan struct{}, 2)
	r := serveTLS(t, Options{Certificates: certificate, MaxSockets: 2}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}))
	results := make(chan error, 3)
	send := func() {
		_, _, err := servingtest.Send(servingtest.CallerOf(t, pool), r.Address, "/validate", nil)
		results <- err
	}
	go send()
	go send()
	<-entered
	<-entered
	began := time.Now()
	go send() // waits for a place
	// From greetingGrace on, a caller without a request would have lost its place.
	servingtest.Eventually(t, "the grace is over", func() bool { return time.Since(began) > 2*greetingGrace })
	open, _ := r.server.sockets.count()
	close(release)
	for range 3 {
		if err := <-results; err != nil {
			t.Errorf("lost: %v", err)
		}
	}
	if open != 2 {
		t.Errorf("%d open, limit 2", open)
	}
}

func TestStartedCheckerFollowsTheServer(t *testing.T) {
	certificate, _ := selfSignedFor(t)
	idle, err := NewServer(Options{Certificates: certificate, Logger: servingtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	if idle.StartedChecker()(nil) == nil {
		t.Error("ready before Start")
	}
	r := serveTLS(t, Options{Certificates: certificate, DrainDelay: time.Minute, DrainTimeout: 2 * time.Second}, answerOK)
	check := r.server.StartedChecker()
	servingtest.Eventually(t, "ready", func() bool { return check(nil) == nil })
	r.Cancel()
	servingtest.Eventually(t, "draining", func() bool {
		err := check(nil)
		return err != nil && strings.Contains(err.Error(), "draining")
	})
	r.Wait(t)
	if check(nil) == nil {
		t.Error("ready after the end")
	}
}

func TestServerRefusesWhatCannotWork(t *testing.T) {
	if _, err := NewServer(Options{}); err == nil {
		t.Error("no certificates, no error")
	}
	certificate, _ := selfSignedFor(t)
	r := serveTLS(t, Options{Certificates: certificate}, answerOK)
	second, err := NewServer(Options{Certificates: certificate, BindAddress: r.Address, Logger: servingtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a taken port: %v", err)
	}
}
