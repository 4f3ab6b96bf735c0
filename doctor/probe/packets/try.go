package packets

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"
)

// The ports of a probe. All are open to whom the NetworkPolicies let through at first; then the
// one of the server forgets the first, and the one of the client the second.
const (
	IngressPort = 8080
	EgressPort  = 8081
	OpenPort    = 8082
	// ReadyPort is where the client listens once all three have answered.
	ReadyPort = 8083
)

const (
	attemptTimeout = time.Second
	// between is how long it rests between two rounds.
	between = 250 * time.Millisecond
	// rounds is in how many rounds after one another a port has to be silent, while the open one
	// answers: one packet may be lost.
	rounds = 3
)

// Outcome is what the client saw. It is its termination message, as JSON.
type Outcome struct {
	// Reached is set when all ports answered while the NetworkPolicies let them through.
	Reached bool `json:"reached"`
	// IngressBlocked and EgressBlocked are set when the port did not answer any more while the
	// open one did.
	IngressBlocked bool `json:"ingressBlocked"`
	EgressBlocked  bool `json:"egressBlocked"`
	// Lost is set when the open port, too, did not answer at the end.
	Lost bool `json:"lost,omitempty"`
	// Seconds is how long it took from when all answered.
	Seconds float64 `json:"seconds"`
	// Last is what the last attempts said.
	Last string `json:"last,omitempty"`
}

// Try connects to a host again and again: until all ports answer, and then, once ready was
// called, until both that the NetworkPolicies forget are silent. Each may take as long as patience.
func Try(ctx context.Context, host string, patience time.Duration, ready func()) Outcome {
	var out Outcome
	deadline := time.Now().Add(patience)
	for !out.Reached {
		seen := attempt(ctx, host)
		out.Last = seen.text()
		out.Reached = seen[IngressPort] == nil && seen[EgressPort] == nil && seen[OpenPort] == nil
		if !out.Reached && (time.Now().After(deadline) || !rest(ctx)) {
			return out
		}
	}
	ready()
	began := time.Now()
	ingress, egress := 0, 0
	for {
		seen := attempt(ctx, host)
		out.Last, out.Lost = seen.text(), seen[OpenPort] != nil
		if out.Lost {
			ingress, egress = 0, 0
		} else {
			ingress, egress = inARow(ingress, seen[IngressPort]), inARow(egress, seen[EgressPort])
		}
		out.IngressBlocked, out.EgressBlocked = ingress >= rounds, egress >= rounds
		out.Seconds = time.Since(began).Seconds()
		if out.IngressBlocked && out.EgressBlocked || time.Since(began) > patience || !rest(ctx) {
			return out
		}
	}
}

func inARow(n int, err error) int {
	if err == nil {
		return 0
	}
	return n + 1
}

// attempts are the errors of one round, by port; nil for a connection.
type attempts map[int]error

func attempt(ctx context.Context, host string) attempts {
	out := attempts{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, port := range []int{IngressPort, EgressPort, OpenPort} {
		all.Go(func() {
			dialer := net.Dialer{Timeout: attemptTimeout}
			conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if err == nil {
				conn.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			out[port] = err
		})
	}
	all.Wait()
	return out
}

func (a attempts) text() string {
	text := ""
	for _, port := range []int{IngressPort, EgressPort, OpenPort} {
		said := "answered"
		if err := a[port]; err != nil {
			said = err.Error()
		}
		if text != "" {
			text += "; "
		}
		text += strconv.Itoa(port) + ": " + said
	}
	return text
}

// rest is false at the end of ctx.
func rest(ctx context.Context) bool {
	t := time.NewTimer(between)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
