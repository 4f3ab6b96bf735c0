package review

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podcullis/podcullis/webhook/serving"
	"github.com/podcullis/podcullis/webhook/serving/servingtest"
)

// slowCallers are callers that cost themselves nothing. Each does what it does on one
// connection and then waits to be thrown out; n is how many are at it at the same time.
var slowCallers = map[string]struct {
	n  int
	do func(conn net.Conn)
}{
	"ClaimMuch":   {48, func(conn net.Conn) { begin(conn, "Content-Length: 33554432", "{") }},
	"ClaimLittle": {96, func(conn net.Conn) { begin(conn, "Content-Length: 20000", "{") }},
	"HeaderAlone": {96, func(conn net.Conn) { begin(conn, "Content-Length: 1000", "") }},
	"NoLength":    {48, func(conn net.Conn) { begin(conn, "Transfer-Encoding: chunked", "1\r\n{\r\n") }},
	"OneByteLess": {96, func(conn net.Conn) {
		begin(conn, fmt.Sprintf("Content-Length: %d", len(servingtest.PodReview)), servingtest.PodReview[:len(servingtest.PodReview)-1])
	}},
	"DropByDrop": {96, func(conn net.Conn) {
		begin(conn, "Content-Length: 33554432", "{")
		for range 100 {
			time.Sleep(200 * time.Millisecond) // what this caller is
			if _, err := conn.Write([]byte(" ")); err != nil {
				return
			}
		}
	}},
	"AQuarterThenNothing": {8, func(conn net.Conn) {
		begin(conn, "Content-Length: 33554432", paddedReview(8<<20))
	}},
	"APartThenNothing": {96, func(conn net.Conn) {
		begin(conn, "Content-Length: 33554432", paddedReview(200<<10))
	}},
	"MuchThenSteadily": {8, func(conn net.Conn) {
		begin(conn, "Content-Length: 33554432", paddedReview(8<<20))
		for range 40 {
			time.Sleep(200 * time.Millisecond) // what this caller is
			if _, err := io.WriteString(conn, strings.Repeat(" ", serving.BodyQuantum)); err != nil {
				return
			}
		}
	}},
	"OneRequestThenIdle": {96, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}},
	"Pipelined": {96, func(conn net.Conn) {
		_, _ = io.WriteString(conn, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 20))
		begin(conn, "Content-Length: 33554432", "{")
	}},
	"AnswerUnread": {32, func(conn net.Conn) {
		for range 200 {
			begin(conn, fmt.Sprintf("Content-Length: %d", len(servingtest.PodReview)), servingtest.PodReview)
		}
	}},
	"TooLargeAndSilent": {96, func(conn net.Conn) { begin(conn, "Content-Length: 99999999999", servingtest.PodReview) }},
	"HalfAHeader":       {96, func(conn net.Conn) { _, _ = io.WriteString(conn, "POST /validate HTTP/1.1\r\nHost: x\r\nX-Slow: ") }},
	"HandshakeAlone":    {96, func(net.Conn) {}},
	"HandshakeAgain":    {16, func(conn net.Conn) { conn.Close() }},
}

func begin(conn net.Conn, length, body string) {
	_, _ = fmt.Fprintf(conn, "POST /validate?timeout=30s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n\r\n%s", length, body)
}

// Bystanders, on connections of their own and on kept ones, are all answered.
func TestSlowCallersHarmNobody(t *testing.T) {
	certificate, pool := certificateFor(t)
	for name, kind := range slowCallers {
		t.Run(name, func(t *testing.T) {
			attack(t, certificate, pool, func(start func(n int, do func(net.Conn))) { start(kind.n, kind.do) })
		})
	}
	t.Run("AllTogether", func(t *testing.T) {
		attack(t, certificate, pool, func(start func(n int, do func(net.Conn))) {
			for _, kind := range slowCallers {
				start(kind.n/4, kind.do)
			}
		})
	})
}

func attack(t *testing.T, certificate serving.Certificates, pool *x509.CertPool, launch func(start func(n int, do func(net.Conn)))) {
	t.Helper()
	const places = 64
	r := overTLS(t, serving.Options{Certificates: certificate, MaxSockets: places}, NewHandler(allowEverything, Options{
		Logger: servingtest.Quiet, MemoryLimit: 512 << 20, EvaluationTime: 8 * time.Second, // how fast one is judged, is another question
	}))
	stop := make(chan struct{})
	var callers sync.WaitGroup
	defer callers.Wait()
	defer close(stop)
	launch(func(n int, do func(net.Conn)) {
		for range n {
			callers.Go(func() { slowly(r.Address, pool, do, stop) })
		}
	})
	// From when all places are taken, or all who come are there and have had their time.
	began := time.Now()
	servingtest.Eventually(t, "the callers to be there", func() bool {
		open := r.server.Connections()
		return open >= places || time.Since(began) > 2*serving.SlowGrace
	})

	kept := servingtest.CallerOf(t, pool)
	for i := range 8 {
		client := kept
		if i%2 == 1 {
			client = servingtest.CallerOf(t, pool)
		}
		body := servingtest.PodReview
		if i%4 > 1 {
			body = paddedReview(2 << 20)
		}
		client.Timeout = 10 * time.Second // an API server's
		response, text, err := servingtest.Send(client, r.Address, "/validate", []byte(body))
		if err != nil { // a client that gets no processor for half a second is slow, too
			t.Logf("bystander %d asks again: %v", i, err)
			response, text, err = servingtest.Send(client, r.Address, "/validate", []byte(body))
		}
		var review admissionv1.AdmissionReview
		if err != nil || json.Unmarshal(text, &review) != nil || review.Response == nil || !review.Response.Allowed {
			t.Errorf("bystander %d: %v %.300s (%v)", i, response, text, err)
		}
	}
	if open := r.server.Connections(); open > places {
		t.Errorf("%d sockets are open, limit %d", open, places)
	}
}

// slowly is one slow caller, which comes again whenever it is thrown out.
func slowly(address string, pool *x509.CertPool, do func(net.Conn), stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
		if err != nil {
			continue
		}
		ended := make(chan struct{})
		go func() {
			do(conn)
			_, _ = io.Copy(io.Discard, conn.NetConn()) // until it is thrown out
			close(ended)
		}()
		select {
		case <-stop:
		case <-ended:
		}
		conn.Close()
		<-ended
	}
}
