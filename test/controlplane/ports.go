package controlplane

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// ports are where the programs listen on 127.0.0.1.
type ports struct {
	etcd, apiServer, controllerManager, scheduler int
}

// Ports are chosen below 32768, where the ranges begin from which systems take ports for outgoing
// connections and for listeners that name none. So nothing takes a port between the moment it is
// found free and the moment it is used, nor while the API server is down, but another choice like
// this one, by chance: in another process, as in one nobody is given what another one was lately. Tests that run beside
// others choose theirs from ranges apart.
const (
	lowestPort  = 15000
	highestPort = 20000
)

// The ranges of the tests that choose ports for programs of their own.
var (
	E2EPorts   = PortRange{20000, 26000}
	ChaosPorts = PortRange{26000, 32000}
)

// PortRange is ports from the first to below the end.
type PortRange struct{ First, End int }

// chosen are the ports that somebody in this process was given, and when. Whoever has not
// come to listen on one in reserved no longer has it.
var chosen struct {
	sync.Mutex
	at map[int]time.Time
}

const reserved = time.Minute

// reserve reports whether a port was not given to anybody lately, and gives it.
func reserve(port int) bool {
	chosen.Lock()
	defer chosen.Unlock()
	if at, ok := chosen.at[port]; ok && time.Since(at) < reserved {
		return false
	}
	if chosen.at == nil {
		chosen.at = map[int]time.Time{}
	}
	chosen.at[port] = time.Now()
	return true
}

func choosePorts() (ports, error) {
	var p ports
	for _, port := range []*int{&p.etcd, &p.apiServer, &p.controllerManager, &p.scheduler} {
		var err error
		if *port, err = freePort(); err != nil {
			return ports{}, err
		}
	}
	return p, nil
}

func freePort() (int, error) { return PortRange{lowestPort, highestPort}.free() }

// FreeAddress is a loopback address on which nothing listens now, and that nobody in this
// process was given lately.
func (r PortRange) FreeAddress() (string, error) {
	port, err := r.free()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

func (r PortRange) free() (int, error) {
	var errs []error
	for range 50 {
		port := r.First + rand.IntN(r.End-r.First)
		if !reserve(port) {
			continue
		}
		listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		return port, listener.Close()
	}
	return 0, errors.Join(append([]error{errors.New("find a free port")}, errs...)...)
}
