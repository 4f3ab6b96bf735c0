package main

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// How spans are sent.
const (
	protocolHTTP = "http/protobuf"
	protocolGRPC = "grpc"
)

// maxTraceQueue is how many spans may wait for a collector: each takes one to two kilobytes.
const maxTraceQueue = 1 << 16

// traceSettings are what the standard environment of OpenTelemetry says about whether and
// where to. Sampler, resource, headers, certificates and times the SDK reads itself.
type traceSettings struct {
	on       bool
	protocol string
	endpoint string // empty is the standard's on this machine
}

// traceSettingsFrom reads them. Traces are on when something names a collector, or says that
// there is one where the standard expects it. Empty variables are as good as none.
func traceSettingsFrom(lookup func(string) (string, bool)) (traceSettings, error) {
	get := func(names ...string) (value, name string) {
		for _, name = range names {
			if value, _ = lookup(name); strings.TrimSpace(value) != "" {
				return strings.TrimSpace(value), name
			}
		}
		return "", name
	}
	if disabled, _ := get("OTEL_SDK_DISABLED"); strings.EqualFold(disabled, "true") {
		return traceSettings{}, nil
	}
	exporter, _ := get("OTEL_TRACES_EXPORTER")
	if exporter == "none" {
		return traceSettings{}, nil
	}
	endpoint, endpointName := get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if exporter == "" && endpoint == "" {
		return traceSettings{}, nil
	}
	if exporter != "" && exporter != "otlp" {
		return traceSettings{}, fmt.Errorf("OTEL_TRACES_EXPORTER must be otlp or none, got %q", exporter)
	}
	if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "") {
		return traceSettings{}, fmt.Errorf("%s must be a URL http://host:port or https://host:port", endpointName) // without the value, in which a password may be
	}
	protocol, protocolName := get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	if protocol == "" {
		protocol = protocolHTTP
	}
	if protocol != protocolHTTP && protocol != protocolGRPC {
		return traceSettings{}, fmt.Errorf("%s must be %s or %s, got %q", protocolName, protocolHTTP, protocolGRPC, protocol)
	}
	if queue, name := get("OTEL_BSP_MAX_QUEUE_SIZE"); queue != "" {
		if n, err := strconv.Atoi(queue); err != nil || n < 1 || n > maxTraceQueue {
			return traceSettings{}, fmt.Errorf("%s must be a number from 1 to %d, got %q", name, maxTraceQueue, queue)
		}
	}
	return traceSettings{on: true, protocol: protocol, endpoint: endpoint}, nil
}

// shown is the endpoint as the log may have it: without a password.
func (s traceSettings) shown() string {
	u, err := url.Parse(s.endpoint)
	if err != nil || s.endpoint == "" {
		return "localhost"
	}
	return u.Redacted()
}
