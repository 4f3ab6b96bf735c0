// Command nettool is both ends of a connection attempt: it serves ports, and it dials others.
//
//	nettool serve tcp/80 udp/53 udp/203.0.113.10:53 ...
//	nettool dial [-from ADDRESS] 2s tcp/198.18.1.7:80 udp/198.18.1.7:53 ...
//
// A server answers with its host name, which is the pod's. dial tries everything at once and prints
// one line a target, in the order given: "open HOST" ("open -" if a server was silent), "blocked" when
// nothing answered in time, or "closed REASON" when the attempt was answered with an error: a packet
// came through, but there was no server, or something rejected it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var err error
	switch {
	case len(args) > 1 && args[0] == "serve":
		err = serve(ctx, args[1:], stdout)
	case len(args) > 2 && args[0] == "dial":
		from := ""
		if args[1] == "-from" && len(args) > 4 {
			from, args = args[2], args[2:]
		}
		err = dial(ctx, from, args[1], args[2:], stdout)
	default:
		err = errors.New("usage: nettool serve tcp/[ADDRESS:]PORT... | nettool dial [-from ADDRESS] TIMEOUT tcp/ADDRESS:PORT [...]")
	}
	if err != nil {
		fmt.Fprintln(stderr, "nettool:", err)
		return 1
	}
	return 0
}

// serve answers on every port until it is killed.
func serve(ctx context.Context, ports []string, stdout io.Writer) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	ended := make(chan error)
	for _, p := range ports {
		network, address, _ := strings.Cut(p, "/")
		if !strings.Contains(address, ":") {
			address = ":" + address
		}
		var config net.ListenConfig
		switch network {
		case "tcp":
			listener, err := config.Listen(ctx, network, address)
			if err != nil {
				return err
			}
			go func() { ended <- answerStreams(listener, name) }()
		case "udp":
			conn, err := config.ListenPacket(ctx, network, address)
			if err != nil {
				return err
			}
			go func() { ended <- answerPackets(conn, name) }()
		default:
			return fmt.Errorf("serve %s: neither tcp/ nor udp/", p)
		}
	}
	fmt.Fprintln(stdout, "serving", strings.Join(ports, " "))
	return <-ended
}

func answerStreams(listener net.Listener, name string) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			fmt.Fprint(conn, name)
			conn.Close()
		}()
	}
}

func answerPackets(conn net.PacketConn, name string) error {
	buffer := make([]byte, 16)
	for {
		_, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo([]byte(name), from); err != nil {
			return err
		}
	}
}

// dial tries all targets at once and prints what became of each.
func dial(ctx context.Context, from, timeout string, targets []string, stdout io.Writer) error {
	patience, err := time.ParseDuration(timeout)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	results := make([]string, len(targets))
	var attempts sync.WaitGroup
	for i, target := range targets {
		network, address, _ := strings.Cut(target, "/")
		attempts.Go(func() { results[i] = attempt(ctx, from, network, address) })
	}
	attempts.Wait()
	for i, target := range targets {
		fmt.Fprintln(stdout, target, results[i])
	}
	return nil
}

// askAgain is how often a datagram is sent that was not answered.
const askAgain = 250 * time.Millisecond

// attempt connects, and reads the other end's name.
func attempt(ctx context.Context, from, network, address string) string {
	deadline, _ := ctx.Deadline()
	dialer := net.Dialer{LocalAddr: local(from, network)}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return failure(err)
	}
	defer conn.Close()
	name := make([]byte, 256)
	for {
		until := deadline
		if network == "udp" {
			if _, err := conn.Write([]byte("?")); err != nil {
				return failure(err)
			}
			if next := time.Now().Add(askAgain); next.Before(deadline) {
				until = next
			}
		}
		if err := conn.SetReadDeadline(until); err != nil {
			return failure(err)
		}
		n, err := conn.Read(name)
		switch {
		case n > 0:
			return "open " + string(name[:n])
		case errors.Is(err, os.ErrDeadlineExceeded) && until.Before(deadline):
			continue
		case network == "tcp" && errors.Is(err, os.ErrDeadlineExceeded):
			return "open -" // there was a handshake
		default:
			return failure(err)
		}
	}
}

// local is the address to dial from; none is left to the kernel.
func local(address, network string) net.Addr {
	ip := net.ParseIP(address)
	switch {
	case ip == nil:
		return nil
	case network == "udp":
		return &net.UDPAddr{IP: ip}
	}
	return &net.TCPAddr{IP: ip}
}

func failure(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "blocked"
	}
	return fmt.Sprintf("closed %v", err)
}
