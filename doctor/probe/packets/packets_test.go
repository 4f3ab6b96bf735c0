package packets

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// listening opens some of the ports of a probe on an address of this machine, until the test ends.
func listening(t *testing.T, host string, ports ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var addresses []string
	for _, p := range ports {
		addresses = append(addresses, net.JoinHostPort(host, p))
	}
	go func() { done <- Listen(ctx, addresses...) }()
	return func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}

// A port that is closed stands for one that nothing gets through to: in both cases nobody answers.
func TestTry(t *testing.T) {
	tests := map[string]struct {
		reason, host string
		after        []string // the ports that still answer once all have
		want         Outcome
	}{
		"Enforced":    {"both are silent, while the third answers", "127.77.0.1", []string{"8082"}, Outcome{Reached: true, IngressBlocked: true, EgressBlocked: true}},
		"Ignored":     {"all answer, whatever the NetworkPolicies say", "127.77.0.2", []string{"8080", "8081", "8082"}, Outcome{Reached: true}},
		"IngressOnly": {"one direction is not enforced", "127.77.0.3", []string{"8081", "8082"}, Outcome{Reached: true, IngressBlocked: true}},
		"Lost":        {"where nothing answers any more, nothing can be said", "127.77.0.4", nil, Outcome{Reached: true, Lost: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stop := listening(t, tt.host, "8080", "8081", "8082")
			got := Try(t.Context(), tt.host, 3*time.Second, func() {
				stop()
				stop = listening(t, tt.host, tt.after...)
			})
			stop()
			got.Seconds, got.Last = 0, ""
			if got != tt.want {
				t.Errorf("%s: got %+v, want %+v", tt.reason, got, tt.want)
			}
		})
	}
	t.Run("NeverReached", func(t *testing.T) {
		got := Try(t.Context(), "127.77.0.9", 500*time.Millisecond, func() { t.Error("it is not ready") })
		if got.Reached || got.Last == "" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("Ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got := Try(ctx, "127.77.0.10", time.Hour, func() {}); got.Reached {
			t.Errorf("got %+v", got)
		}
	})
}
