package controlplane

import (
	"errors"
	"math/rand/v2"
	"net"
)

// ports are where the programs listen on 127.0.0.1.
type ports struct {
	etcd, apiServer, controllerManager, scheduler int
}

// Ports are chosen below 32768, where the ranges begin from which systems take ports for outgoing
// connections and for listeners that name none. So nothing takes a port between the moment it is
// found free and the moment it is used, nor while the API server is down, but another choice like
// this one, by chance.
const (
	lowestPort  = 15000
	highestPort = 32000
)

func choosePorts() (ports, error) {
	var chosen ports
	taken := map[int]bool{}
	for _, port := range []*int{&chosen.etcd, &chosen.apiServer, &chosen.controllerManager, &chosen.scheduler} {
		var err error
		if *port, err = freePort(taken); err != nil {
			return ports{}, err
		}
		taken[*port] = true
	}
	return chosen, nil
}

func freePort(taken map[int]bool) (int, error) {
	var errs []error
	for range 20 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if taken[port] {
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
