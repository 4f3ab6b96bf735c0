package serving

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// How long a caller may take over something before its place may be given to somebody
// else. It matters only while every place is taken.
const (
	// silentGrace is for the first byte: a client speaks first, and at once.
	silentGrace = 200 * time.Millisecond
	// greetingGrace is for the TLS handshake and the request header, and then again for
	// the body (slowGrace).
	greetingGrace = 500 * time.Millisecond
	// idleGrace is for a connection that waits for the next request. An API server under
	// load uses those again that it used last; the longest unused is the least missed.
	idleGrace = 2 * time.Second
	// partingTime is for an answer to who is thrown out of a body. At most one of
	// partingShare of the limit is open in addition for that.
	partingTime  = 100 * time.Millisecond
	partingShare = 8
)

// sockets is a listener that knows its open TCP connections. It keeps them under
// a limit: when every place is taken, somebody goes who keeps the place without
// using it (see victimLocked), and when there is nobody, new callers wait in the
// kernel's queue. Who has sent a whole request is never thrown out.
//
// golang.org/x/net/netutil.LimitListener only waits, so that 512 silent callers
// would keep the API server out for ReadHeaderTimeout at a time.
type sockets struct {
	net.Listener
	limit int

	mu       sync.Mutex
	open     map[*socket]struct{}
	accepted uint64
	parting  int // thrown out, and not closed yet

	freed     chan struct{} // a place may have become free
	closed    chan struct{}
	closeOnce sync.Once
}

// stage is what a caller is at.
type stage int

const (
	silent   stage = iota // has sent nothing
	greeting              // in the handshake or in a request header
	sending               // in a request body
	asking                // a whole request is here
	idle                  // answered
)

// socket is one accepted TCP connection.
type socket struct {
	net.Conn
	owner    *sockets
	shutOnce sync.Once

	// Guarded by owner.mu.
	stage  stage
	since  time.Time     // it is at that stage
	owed   time.Duration // of that time we have waited for it
	waits  time.Time     // since when we wait for it now
	body   *Body         // in stage sending, once somebody reads it
	useful bool          // a review was judged on it
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
	sock := &socket{Conn: conn, owner: s}
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
	now := time.Now()
	if len(s.open) >= s.limit {
		victim, wait := s.victimLocked(now)
		if victim == nil {
			return wait, false
		}
		delete(s.open, victim)
		s.throwOutLocked(victim)
	}
	sock.since = now
	s.open[sock] = struct{}{}
	s.accepted++
	return 0, true
}

// throwOutLocked closes a socket whose place is given to somebody else. Who is in a body
// may have sent a review that nobody else has judged: it is told first that nobody
// will, which takes a moment, if there are not too many of them.
func (s *sockets) throwOutLocked(victim *socket) {
	if victim.stage != sending || victim.body == nil || s.parting >= max(1, s.limit/partingShare) {
		_ = victim.Conn.Close()
		return
	}
	s.parting++
	victim.body.Push(ErrEvicted)
	time.AfterFunc(partingTime, func() {
		_ = victim.Conn.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.parting--
	})
}

// victimLocked is who goes first: who owes something, silent before slow, and only where
// nobody does, or where they have more than half of the places, who is idle. If it is
// nobody's turn yet, it says when it may be.
func (s *sockets) victimLocked(now time.Time) (victim *socket, wait time.Duration) {
	resting := 0
	for sock := range s.open {
		if sock.stage == idle {
			resting++
		}
	}
	owing := s.owingLocked()
	var least merit
	wait = silentGrace
	for sock := range s.open {
		if sock.stage == asking || (sock.stage == idle && owing && resting <= s.limit/2) {
			continue
		}
		if left := graces[sock.stage] - sock.owesLocked(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		if m := sock.meritLocked(now); victim == nil || m.less(least) {
			victim, least = sock, m
		}
	}
	if victim != nil && hasUnread(victim.Conn) { // it owes nothing: we are slow
		victim.since = now
		return nil, time.Millisecond
	}
	return victim, wait
}

var graces = map[stage]time.Duration{
	silent: silentGrace, greeting: greetingGrace, sending: SlowGrace, idle: idleGrace,
}

// owesLocked is for how long the caller has kept its place with nothing for us to do, as
// does who waits for room. Time that we take ourselves, on a machine that is short of it,
// does not count against it.
func (s *socket) owesLocked(now time.Time) time.Duration {
	if s.stage == silent || s.stage == idle {
		return now.Sub(s.since)
	}
	owed := s.owed
	if s.body != nil {
		owed += s.body.inLine(now)
	}
	if !s.waits.IsZero() {
		owed += now.Sub(s.waits)
	}
	return owed
}

// merit is what speaks for leaving a caller its place.
type merit struct {
	class int
	rate  float64
	since time.Time
}

func (s *socket) meritLocked(now time.Time) merit {
	m := merit{since: s.since}
	switch {
	case s.stage == silent:
	case s.stage != idle:
		m.class = 1
		if s.body != nil {
			m.rate, _ = s.body.Rate(now)
		}
	case !s.useful:
		m.class = 2
	default:
		m.class = 3
	}
	return m
}

func (m merit) less(other merit) bool {
	switch {
	case m.class != other.class:
		return m.class < other.class
	case m.rate != other.rate:
		return m.rate < other.rate
	}
	return m.since.Before(other.since)
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

// full says whether the next caller would have to wait for somebody who uses its place:
// callers who only keep theirs are thrown out, and are no reason to send others away.
func (s *sockets) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) >= s.limit && !s.owingLocked()
}

func (s *sockets) owingLocked() bool {
	for sock := range s.open {
		if sock.stage < asking {
			return true
		}
	}
	return false
}

// stateChanged is the server's http.Server.ConnState hook. StateActive is
// reported when a whole request header has been read.
func (s *sockets) stateChanged(conn net.Conn, state http.ConnState) {
	sock := socketOf(conn)
	if sock == nil {
		return
	}
	switch state {
	case http.StateActive:
		sock.become(sending)
	case http.StateIdle:
		sock.become(idle)
		select { // somebody may wait for a place, and the first to be idle is one
		case s.freed <- struct{}{}:
		default:
		}
	default:
	}
}

func socketOf(conn net.Conn) *socket {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	sock, _ := conn.(*socket)
	return sock
}

type socketKey struct{}

// withSocket is http.Server.ConnContext.
func withSocket(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, socketKey{}, socketOf(conn))
}

// socketFrom is the socket of a request, nil where there is none.
func socketFrom(ctx context.Context) *socket {
	sock, _ := ctx.Value(socketKey{}).(*socket)
	return sock
}

func (s *socket) become(next stage) {
	s.owner.mu.Lock()
	defer s.owner.mu.Unlock()
	s.becomeLocked(next)
}

func (s *socket) becomeLocked(next stage) {
	s.stage, s.since, s.owed, s.body = next, time.Now(), 0, nil
}

// Useful says that the connection of a request has served: among the idle it goes last.
// Without a server it says nothing.
func Useful(ctx context.Context) {
	if s := socketFrom(ctx); s != nil {
		s.owner.mu.Lock()
		defer s.owner.mu.Unlock()
		s.useful = true
	}
}

// reading says which body the caller is in.
func (s *socket) reading(body *Body) {
	s.owner.mu.Lock()
	defer s.owner.mu.Unlock()
	s.body = body
}

// Read notices the first byte, and the first of another request, and how long we wait for
// each.
func (s *socket) Read(p []byte) (int, error) {
	s.owner.mu.Lock()
	s.waits = time.Now()
	s.owner.mu.Unlock()
	n, err := s.Conn.Read(p)
	s.owner.mu.Lock()
	defer s.owner.mu.Unlock()
	s.owed += time.Since(s.waits)
	s.waits = time.Time{}
	if n > 0 && (s.stage == silent || s.stage == idle) {
		s.becomeLocked(greeting)
	}
	return n, err
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
