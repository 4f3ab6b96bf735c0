package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// proxy passes TCP on to one of its targets, a connection at a time in turn, as a
// Service does. Faults can be put into it.
type proxy struct {
	net.Listener
	mu      sync.Mutex
	targets []string
	turn    int
	refuse  bool
	open    map[net.Conn]struct{}
	flows   chan struct{} // closed while bytes flow
}

func newProxy(t *testing.T, address string, targets ...string) *proxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, targets: targets, open: map[net.Conn]struct{}{}, flows: make(chan struct{})}
	close(p.flows)
	go p.serve()
	t.Cleanup(func() { _ = l.Close(); p.heal(); p.cut() })
	return p
}

func (p *proxy) address() string { return p.Addr().String() }

// add makes a target one of those that new connections go to.
func (p *proxy) add(target string) { p.change(func() { p.targets = append(p.targets, target) }) }

// remove is what the endpoints controller does; connections stay.
func (p *proxy) remove(target string) {
	p.change(func() {
		var kept []string
		for _, t := range p.targets {
			if t != target {
				kept = append(kept, t)
			}
		}
		p.targets = kept
	})
}

func (p *proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// hole makes every connection, old and new, one into the void: nothing is refused,
// nothing is closed, no byte arrives.
func (p *proxy) hole() { p.change(func() { p.flows = make(chan struct{}) }) }

// shut refuses new connections and cuts the old ones.
func (p *proxy) shut() {
	p.change(func() { p.refuse = true })
	p.cut()
}

// heal ends all faults.
func (p *proxy) heal() {
	p.change(func() {
		p.refuse = false
		select {
		case <-p.flows:
		default:
			close(p.flows)
		}
	})
}

// cut closes all connections.
func (p *proxy) cut() {
	p.change(func() {
		for c := range p.open {
			_ = c.Close()
		}
	})
}

func (p *proxy) serve() {
	for {
		conn, err := p.Accept()
		if err != nil {
			return
		}
		go p.carry(conn)
	}
}

func (p *proxy) carry(from net.Conn) {
	defer from.Close()
	var target string
	p.change(func() {
		if len(p.targets) > 0 && !p.refuse {
			target = p.targets[p.turn%len(p.targets)]
			p.turn++
		}
	})
	if target == "" {
		return
	}
	to, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", target)
	if err != nil {
		return
	}
	defer to.Close()
	p.change(func() { p.open[from], p.open[to] = struct{}{}, struct{}{} })
	defer p.change(func() { delete(p.open, from); delete(p.open, to) })
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], flow{p, way[0]})
			_ = way[1].(*net.TCPConn).CloseWrite()
		})
	}
	both.Wait()
}

// flow is one direction of a connection.
type flow struct {
	p    *proxy
	conn net.Conn
}

func (f flow) Read(b []byte) (int, error) {
	n, err := f.conn.Read(b)
	var flows chan struct{}
	f.p.change(func() { flows = f.p.flows })
	<-flows
	return n, err
}

// withholder is a proxy that understands HTTP and holds back what watches tell,
// while everything else passes.
type withholder struct {
	server *httptest.Server
	mu     sync.Mutex
	flows  chan struct{} // closed while watches pass
	lists  chan struct{} // closed while lists pass
}

func newWithholder(t *testing.T, config *rest.Config) *withholder {
	t.Helper()
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	w := &withholder{flows: make(chan struct{}), lists: make(chan struct{})}
	close(w.flows)
	close(w.lists)
	behind := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ModifyResponse: func(response *http.Response) error {
			if q := response.Request.URL.Query(); q.Get("watch") != "" && !shortWatch(q) {
				response.Body = struct {
					io.Reader
					io.Closer
				}{heldBack{w, response.Request.Context(), response.Body}, response.Body}
			}
			return nil
		},
	}
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("watch") == "" && strings.Count(r.URL.Path, "/") > 2 || q.Get("sendInitialEvents") != "" {
			select {
			case <-w.gate(&w.lists):
			case <-r.Context().Done():
				return
			}
		}
		behind.ServeHTTP(rw, r)
	}))
	w.server.EnableHTTP2 = true
	w.server.StartTLS()
	t.Cleanup(func() { w.pass(&w.flows); w.pass(&w.lists); w.server.CloseClientConnections(); w.server.Close() })
	return w
}

// shortWatch is the question that the webhook asks beside its watches.
func shortWatch(q url.Values) bool { return q.Get("timeoutSeconds") == "1" }

func (w *withholder) gate(which *chan struct{}) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *which
}

func (w *withholder) hold(which *chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*which = make(chan struct{})
}

func (w *withholder) pass(which *chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-*which:
	default:
		close(*which)
	}
}

// heldBack is what a watch tells.
type heldBack struct {
	w    *withholder
	ctx  context.Context
	body io.Reader
}

func (h heldBack) Read(b []byte) (int, error) {
	n, err := h.body.Read(b)
	select {
	case <-h.w.gate(&h.w.flows):
		return n, err
	case <-h.ctx.Done():
		return 0, errors.New("nobody listens any more")
	}
}

// kubeconfig is one for the way through the withholder, which shows its own
// credentials to the API server.
func (w *withholder) kubeconfig(t *testing.T) string {
	t.Helper()
	return writeKubeconfig(t, &clientcmdapi.Cluster{Server: w.server.URL, InsecureSkipTLSVerify: true}, &clientcmdapi.AuthInfo{})
}

// kubeconfigVia is the admin's kubeconfig by another address.
func kubeconfigVia(t *testing.T, kubeconfig, address string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	now := config.Contexts[config.CurrentContext]
	cluster := config.Clusters[now.Cluster]
	cluster.Server = "https://" + address
	return writeKubeconfig(t, cluster, config.AuthInfos[now.AuthInfo])
}

func writeKubeconfig(t *testing.T, cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"], config.AuthInfos["u"] = cluster, user
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	path := fmt.Sprintf("%s/kubeconfig", t.TempDir())
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}
