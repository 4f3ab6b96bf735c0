package chaos

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podcullis/podcullis/test/server"
)

// bystanders ask one after the other, what must be refused and what must pass, until done
// is closed or so many are answered.
type bystanders struct {
	asked, wrong, lost int64
	took               []time.Duration
	failures           []string
}

func (b *bystanders) ask(t *testing.T, c *caller, r *replica, calls int, done <-chan struct{}) {
	for i := 0; i < calls || calls == 0; i++ {
		select {
		case <-done:
			return
		default:
		}
		netpol := both[i%2]
		said, err := c.ask(t.Context(), r, review(t, netpol))
		b.asked++
		switch {
		case err != nil || said.status != http.StatusOK || (said.code >= http.StatusBadRequest && said.code != http.StatusForbidden):
			b.lost++
			b.failures = append(b.failures, fmt.Sprintf("%s: %v, %v", netpol.Name, said, err))
		case said.allowed != (netpol == harmless):
			b.wrong++
			b.failures = append(b.failures, fmt.Sprintf("%s: %v", netpol.Name, said))
		default:
			b.took = append(b.took, said.took)
		}
	}
}

// requestHead begins a review of a length that is a claim.
func requestHead(length string) string {
	return "POST /validate?timeout=30s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + length + "\r\n\r\n"
}

// sluggish are callers that send next to nothing, and how many of each.
func sluggish(t *testing.T) map[string]struct {
	n    int
	send string
} {
	whole := string(review(t, forbidden))
	type caller = struct {
		n    int
		send string
	}
	return map[string]caller{
		"claim 32 MiB, send a byte":  {48, requestHead("Content-Length: 33554432") + "{"},
		"a whole header and no body": {700, requestHead("Content-Length: 1000")},
		"no length, one byte":        {200, requestHead("Transfer-Encoding: chunked") + "1\r\n{\r\n"},
		"all but one byte":           {700, requestHead(fmt.Sprintf("Content-Length: %d", len(whole))) + whole[:len(whole)-1]},
		"one request, then idle":     {700, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		"pipelined, then half":       {200, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 20) + requestHead("Content-Length: 33554432")},
		"half of a header":           {700, "POST /validate HTTP/1.1\r\nHost: x\r\nX-Slow: "},
	}
}

// Each kind in its turn, then all at once. Bystanders are asked on kept connections, as
// the API server asks, in the calm before and for as long as it lasts.
func TestSluggishCallersHarmNobody(t *testing.T) {
	kinds := sluggish(t)
	all := map[string][]string{}
	for name, kind := range kinds {
		for range kind.n {
			all[name] = append(all[name], kind.send)
		}
		all["all at once"] = append(all["all at once"], all[name][:kind.n/6]...)
		if *scale == 0 { // the short form is all at once
			delete(all, name)
		}
	}
	for name, sends := range all {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			r := alone(t, replicaOptions{env: []string{"GOMEMLIMIT=512MiB"}})
			caller := newCaller(t)
			var calm, attacked bystanders
			calm.ask(t, caller, r, size(40, 1_000), nil)
			stop := make(chan struct{})
			var attackers sync.WaitGroup
			var opened atomic.Int64
			for _, send := range sends {
				attackers.Go(func() { dribble(t, r, send, &opened, stop) })
			}
			await(t, "the callers to be there", func(context.Context) error {
				if opened.Load() < int64(min(len(sends), places/2)) {
					return fmt.Errorf("%d", opened.Load())
				}
				return nil
			})
			attacked.ask(t, caller, r, size(40, 2_000), nil)
			fresh := bystanders{}
			for range size(4, 50) { // on new connections
				fresh.ask(t, newCaller(t), r, 2, nil)
			}
			close(stop)
			attackers.Wait()
			r.alive(t)
			ratio := float64(quantile(attacked.took, 99)) / float64(max(1, quantile(calm.took, 99)))
			record(t, row{
				day: "sluggish callers", injected: fmt.Sprintf("%d at a time: %s", len(sends), name), asked: calm.asked + attacked.asked + fresh.asked,
				wrong: calm.wrong + attacked.wrong + fresh.wrong, lost: calm.lost + attacked.lost + fresh.lost,
				remark: fmt.Sprintf("%s -> %s, p99 %.1f times; %d connections were made; %d asked on new ones, %d of them lost; peak memory %d MiB",
					quantiles(calm.took), quantiles(attacked.took), ratio, opened.Load(), fresh.asked, fresh.lost, r.peakMemory(t)),
			})
			if attacked.wrong+fresh.wrong > 0 || attacked.lost > 0 || fresh.lost > fresh.asked/4 {
				t.Errorf("%d wrong, %d lost, on new connections %d wrong, %d lost:\n%s", attacked.wrong, attacked.lost, fresh.wrong, fresh.lost,
					strings.Join(append(attacked.failures, fresh.failures...), "\n"))
			}
		})
	}
}

// dribble is one such caller, which comes again whenever it is thrown out.
func dribble(t *testing.T, r *replica, send string, opened *atomic.Int64, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
		dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it only wants to be in the way
		conn, err := dialer.DialContext(t.Context(), "tcp", r.address)
		if err != nil {
			continue
		}
		opened.Add(1)
		gone := make(chan struct{})
		go func() {
			_, _ = io.WriteString(conn, send)
			_, _ = io.Copy(io.Discard, conn)
			close(gone)
		}()
		select {
		case <-gone:
		case <-stop:
		}
		_ = conn.Close()
		<-gone
	}
}

// largeUpdate is an update of a netpol of so many peers, as the API server sends it:
// object and oldObject.
func largeUpdate(t *testing.T, mebibytes float64) []byte {
	t.Helper()
	netpol := harmless.DeepCopy()
	peer := `{"podSelector":{"matchLabels":{"app":"backend"}}},`
	n := int(mebibytes * (1 << 20) / 2 / float64(len(peer)))
	netpol.Spec.Ingress[0].From = make([]networkingv1.NetworkPolicyPeer, n)
	for i := range n {
		netpol.Spec.Ingress[0].From[i] = *harmless.Spec.Ingress[0].From[0].DeepCopy()
	}
	var whole admissionv1.AdmissionReview // and not a map: the API server writes the uid in front of the objects
	if err := json.Unmarshal(review(t, netpol), &whole); err != nil {
		t.Fatal(err)
	}
	whole.Request.Operation, whole.Request.OldObject = admissionv1.Update, whole.Request.Object
	body, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Four senders of the largest updates there are. Calm and attack take turns, so that a
// machine that is busy with something else is so for both.
func TestLargeSendersKeepNobodyWaiting(t *testing.T) {
	r := alone(t, replicaOptions{env: []string{"GOMEMLIMIT=512MiB"}})
	caller, senders := newCaller(t), newCaller(t)
	body := largeUpdate(t, 13.7)
	var calm, attacked bystanders
	codes := map[string]int{}
	var mu sync.Mutex
	calm.ask(t, caller, r, size(20, 500), nil) // warm up
	calm = bystanders{}
	for range size(1, 4) {
		calm.ask(t, caller, r, size(40, 1_000), nil)
		done := make(chan struct{})
		var sending sync.WaitGroup
		for range 4 {
			sending.Go(func() {
				for range size(2, 10) {
					said, err := senders.ask(t.Context(), r, body)
					mu.Lock()
					codes[fmt.Sprintf("HTTP %d code %d %v", said.status, said.code, err != nil)]++
					if err != nil || said.status != http.StatusOK { // nothing but an answer holds under Ignore
						t.Errorf("a large update: %v, %v", said, err)
					}
					mu.Unlock()
				}
			})
		}
		go func() { sending.Wait(); close(done) }()
		attacked.ask(t, caller, r, 0, done)
	}
	r.alive(t)
	ratio := float64(quantile(attacked.took, 99)) / float64(max(1, quantile(calm.took, 99)))
	record(t, row{
		day: "large senders", injected: fmt.Sprintf("4 at a time, updates of %.1f MiB, GOMEMLIMIT 512 MiB", float64(len(body))/(1<<20)),
		asked: calm.asked + attacked.asked, wrong: calm.wrong + attacked.wrong, lost: calm.lost + attacked.lost,
		remark: fmt.Sprintf("%s -> %s, p99 %.1f times; %v; peak memory %d MiB", quantiles(calm.took), quantiles(attacked.took), ratio, codes, r.peakMemory(t)),
	})
	if attacked.wrong+attacked.lost > 0 {
		t.Errorf("%d wrong, %d lost:\n%s", attacked.wrong, attacked.lost, strings.Join(attacked.failures, "\n"))
	}
}

// Nobody reads the pipe of the log, and then somebody does.
func TestALogThatNobodyReadsChangesNoAnswer(t *testing.T) {
	reading, writing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	r := alone(t, replicaOptions{stderr: writing, args: []string{"--log-level", "info"}})
	writing.Close()
	caller := newCaller(t)
	var calm, full bystanders
	calm.ask(t, caller, r, 20, nil)
	full.ask(t, caller, r, size(7_000, 40_000), nil) // each other one is a line of 300 bytes
	dropped, err := r.gauge(t.Context(), "dropped lines")
	if err != nil || dropped == 0 {
		t.Errorf("%v lines are dropped, %v", dropped, err)
	}
	unwell := "not waited for"
	if *scale > 0 {
		await(t, "the replica to be unhealthy", func(ctx context.Context) error {
			if _, err := server.Get(ctx, "http://"+r.probes+"/healthz"); err == nil || !strings.Contains(err.Error(), "nobody has read the log") {
				return fmt.Errorf("healthz: %w", errors.Join(err, errors.New("is not that")))
			}
			return nil
		})
		unwell = "unhealthy after 30s"
	}
	told := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(reading)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "log lines were dropped") {
				told <- true
			}
		}
	}()
	await(t, "the line that says how many", func(context.Context) error {
		select {
		case <-told:
			return nil
		default:
			return errors.New("not yet")
		}
	})
	await(t, "the replica to be healthy", func(ctx context.Context) error {
		_, err := server.Get(ctx, "http://"+r.probes+"/healthz")
		return err
	})
	var after bystanders
	after.ask(t, caller, r, 20, nil)
	record(t, row{
		day: "a log that nobody reads", injected: "stderr is a full pipe", asked: calm.asked + full.asked + after.asked,
		wrong: calm.wrong + full.wrong + after.wrong, lost: calm.lost + full.lost + after.lost,
		remark: fmt.Sprintf("%v lines dropped and counted, %s, well again when it is read; %s -> %s", dropped, unwell, quantiles(calm.took), quantiles(full.took)),
	})
	if n := full.wrong + full.lost + after.wrong + after.lost; n > 0 {
		t.Errorf("%d wrong or lost:\n%s", n, strings.Join(append(full.failures, after.failures...), "\n"))
	}
}
