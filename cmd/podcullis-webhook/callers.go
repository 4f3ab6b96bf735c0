package main

import (
	"net"

	"github.com/podcullis/podcullis/guardrail"
)

// callersKnown says whether whoever asks is somebody that may read every message: with a
// client certificate, or on this machine. Everybody else that reaches the port can be
// anybody, and posts reviews of its own making.
func (o *options) callersKnown() bool {
	if o.clientCA != "" {
		return true
	}
	host, _, err := net.SplitHostPort(o.bindAddress)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// ownNamespaceOnly says whether answers name nothing of other namespaces.
func (a *app) ownNamespaceOnly() bool {
	switch a.guardrails.engine.Messages() {
	case guardrail.FullMessages:
		return false
	case guardrail.OwnNamespaceMessages:
		return true
	}
	return !a.options.callersKnown()
}

// tellMessages says once what answers tell, where that may surprise.
func (a *app) tellMessages() {
	switch known := a.options.callersKnown(); {
	case a.guardrails.engine.Messages() == "" && !known:
		a.log.Warn("answers name nothing of other namespaces, because everybody that reaches the port can ask: " +
			"with --client-ca-file, or \"messages: full\" in the configuration, they say all")
	case a.guardrails.engine.Messages() == guardrail.FullMessages && !known:
		a.log.Warn("answers tell everybody that reaches the port the names of workloads in all namespaces (\"messages: full\"): let only the API server reach it")
	}
}
