package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/podcullis/podcullis/webhook"
)

// How changes that are allowed in the same moment are judged together.
const (
	// strict: a ledger that all replicas share, see package ledger.
	strict = "strict"
	// local: the same, in the memory of each replica.
	local = "local"
	// observe: not at all. What two changes open together is seen when it is there.
	observe = "observe"
)

// minRequestTimeout is the shortest that an API server may sensibly be given.
const minRequestTimeout = 5 * time.Second

// validateConsistency checks the flags of the ledger.
func (o *options) validateConsistency() []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch o.consistency {
	case "", strict, local, observe:
	default:
		wrong("--consistency must be strict, local or observe, got %q", o.consistency)
	}
	if len(o.clusterManifests) > 0 && o.consistency != "" {
		wrong("--consistency needs an API server, and --cluster-manifests takes the place of one")
	}
	if o.ledger != "" {
		namespace, name, found := strings.Cut(o.ledger, "/")
		if !found || namespace == "" || name == "" || strings.Contains(name, "/") {
			wrong("--ledger must be namespace/name, got %q", o.ledger)
		}
		if o.consistency == local || o.consistency == observe {
			wrong("--ledger is for --consistency strict, got %s", o.consistency)
		}
	}
	if o.replicas < 1 {
		wrong("--replicas must be >= 1, got %d", o.replicas)
	}
	if o.requestTimeout < minRequestTimeout {
		wrong("--api-request-timeout must be >= %s, got %s", minRequestTimeout, o.requestTimeout)
	}
	return errs
}

// chosenConsistency is the consistency, and why it is that one. Who can call the webhook
// can fill the ledger, and so stop everybody: a ledger that is shared needs callers that
// are known.
func (o *options) chosenConsistency() (mode, why string) {
	known, how := o.callers()
	switch {
	case o.consistency == strict && !known:
		return strict, "--consistency says so; but " + how + ": whoever does can fill the ledger, and then nothing is allowed"
	case o.consistency != "":
		return o.consistency, "--consistency says so"
	case webhook.Mode(o.mode) == webhook.Audit:
		return local, "--mode audit refuses nothing"
	case known:
		return strict, how
	}
	return local, how
}

// callers tells whether only API servers can call, and why.
func (o *options) callers() (known bool, why string) {
	switch {
	case o.clientCA != "":
		return true, "callers show a client certificate"
	case o.knownCallers:
		return true, "--known-callers says that only API servers can call"
	case isLoopback(o.bindAddress):
		return true, "only this machine can call " + o.bindAddress
	}
	return false, "anybody who reaches " + o.bindAddress + " can call: neither --client-ca-file nor --known-callers is given"
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return host == "localhost"
}
