package packets

import (
	"context"
	"net"
	"slices"
)

// Listen accepts connections on some addresses, and closes them at once, until ctx ends.
func Listen(ctx context.Context, addresses ...string) error {
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	failed := make(chan error, len(addresses))
	for _, address := range addresses {
		var config net.ListenConfig
		l, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			return err
		}
		listeners = append(listeners, l)
	}
	for _, l := range slices.Clone(listeners) {
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					failed <- err
					return
				}
				conn.Close()
			}
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}
