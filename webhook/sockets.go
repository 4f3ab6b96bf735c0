package webhook

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// greetingGrace is how long a caller may take over its TLS handshake and first
// request header before its place may be given to somebody else. It matters
// only while every place is taken.
const greetingGrace = 500 * time.Millisecond

// sockets is a listener that knows its open TCP connections. It keeps them under
// a limit: when every place is taken, the oldest caller that has not yet sent a
// whole request header goes (a slow handshake or a slow header costs an attacker
// nothing, a real API server is through in milliseconds), and when all of them
// have, new callers wait in the kernel's queue.
//
// golang.org/x/net/netutil.LimitListener only waits, so that 512 silent callers
// would keep the API server out for ReadHeaderTimeout at a time.
type sockets struct {
	net.Listener
	limit int

	mu       sync.Mutex
	open     map[*socket]struct{}
	accepted uint64

	freed     chan struct{} // a place may have become free
	closed    chan struct{}
	closeOnce sync.Once
}

// socket is one accepted TCP connection.
type socket struct {
	net.Conn
	owner    *sockets
	since    time.Time
	greeted  bool // has sent a whole request header; guarded by owner.mu
	shutOnce sync.Once
}

func newSockets(l net.Listener, limit int) *sockets {
	return &sockets{
		Listener: l,
		limit:    limit,
		open:     map[*socket]struct{}{},
		freed:    make(chan struct{}, 1),
		closed:   make(chan struct{}),
	}
}

// Accept waits for the next caller, and for a place for it.
func (s *sockets) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	sock := &socket{Conn: conn, owner: s, since: time.Now()}
	for {
		wait, admitted := s.admit(sock)
		if admitted {
			return sock, nil
		}
		if err := s.waitForPlace(wait); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
}

// admit takes a place for the socket. If there is none it says how long to wait
// before it is worth asking again.
func (s *sockets) admit(sock *socket) (wait time.Duration, admitted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= s.limit {
		oldest := s.oldestUngreetedLocked()
		if oldest == nil {
			return greetingGrace, false
		}
		if age := time.Since(oldest.since); age < greetingGrace {
			return greetingGrace - age, false
		}
		delete(s.open, oldest)
		_ = oldest.Conn.Close()
	}
	s.open[sock] = struct{}{}
	s.accepted++
	return 0, true
}

func (s *sockets) oldestUngreetedLocked() *socket {
	var oldest *socket
	for sock := range s.open {
		if !sock.greeted && (oldest == nil || sock.since.Before(oldest.since)) {
			oldest = sock
		}
	}
	return oldest
}

func (s *sockets) waitForPlace(wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-s.freed:
		return nil
	case <-timer.C:
		return nil
	case <-s.closed:
		return net.ErrClosed
	}
}

// Close stops accepting; open sockets stay.
func (s *sockets) Close() error {
	s.closeOnce.Do(func() { close(s.closed) })
	return s.Listener.Close()
}

// count says how many sockets are open now and how many were ever accepted.
func (s *sockets) count() (open int, accepted uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open), s.accepted
}

// full says whether the next caller would have to wait or push another one out.
func (s *sockets) full() bool {
	open, _ := s.count()
	return open >= s.limit
}

// stateChanged is the server's http.Server.ConnState hook. StateActive is
// reported when a whole request header has been read.
func (s *sockets) stateChanged(conn net.Conn, state http.ConnState) {
	if state != http.StateActive {
		return
	}
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	if sock, ok := conn.(*socket); ok {
		s.mu.Lock()
		sock.greeted = true
		s.mu.Unlock()
	}
}

// Close closes the TCP connection and gives its place back.
func (s *socket) Close() error {
	err := s.Conn.Close()
	s.shutOnce.Do(func() {
		s.owner.mu.Lock()
		delete(s.owner.open, s)
		s.owner.mu.Unlock()
		select {
		case s.owner.freed <- struct{}{}:
		default:
		}
	})
	return err
}
