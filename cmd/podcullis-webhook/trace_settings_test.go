package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestTraceSettings(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"
	for name, c := range map[string]struct {
		environment []string
		want        traceSettings
		wrong       string // in the error
	}{
		"Nothing":             {nil, traceSettings{}, ""},
		"Empty":               {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=", "OTEL_TRACES_EXPORTER="}, traceSettings{}, ""},
		"AServiceNameIsNoAsk": {[]string{"OTEL_SERVICE_NAME=x"}, traceSettings{}, ""},
		"Endpoint":            {[]string{endpoint}, traceSettings{true, protocolHTTP, "http://collector:4318"}, ""},
		"TracesEndpoint":      {[]string{endpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://t/x"}, traceSettings{true, protocolHTTP, "https://t/x"}, ""},
		"Exporter":            {[]string{"OTEL_TRACES_EXPORTER=otlp"}, traceSettings{true, protocolHTTP, ""}, ""},
		"GRPC":                {[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, traceSettings{true, protocolGRPC, "http://collector:4318"}, ""},
		"TracesProtocol":      {[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"}, traceSettings{true, protocolHTTP, "http://collector:4318"}, ""},
		"Disabled":            {[]string{endpoint, "OTEL_SDK_DISABLED=TRUE"}, traceSettings{}, ""},
		"None":                {[]string{endpoint, "OTEL_TRACES_EXPORTER=none"}, traceSettings{}, ""},
		"OtherExporter":       {[]string{endpoint, "OTEL_TRACES_EXPORTER=zipkin"}, traceSettings{}, "OTEL_TRACES_EXPORTER"},
		"OtherProtocol":       {[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"}, traceSettings{}, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		"NoURL":               {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318"}, traceSettings{}, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"NoURLWithAPassword":  {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=htps://ann:secret@collector:4318"}, traceSettings{}, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"NoHost":              {[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://"}, traceSettings{}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		"HugeQueue":           {[]string{endpoint, "OTEL_BSP_MAX_QUEUE_SIZE=1000000000"}, traceSettings{}, "OTEL_BSP_MAX_QUEUE_SIZE"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := traceSettingsFrom(func(key string) (string, bool) {
				for _, e := range c.environment {
					if k, v, _ := strings.Cut(e, "="); k == key {
						return v, true
					}
				}
				return "", false
			})
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if (err != nil) != (c.wrong != "") || (err != nil && !strings.HasPrefix(err.Error(), c.wrong+" must be ")) {
				t.Errorf("error %v, want one about %q", err, c.wrong)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("a password gets into the log: %v", err)
			}
		})
	}
}

func TestThatSpansAreLostIsSaidOnceAMinute(t *testing.T) {
	var said strings.Builder
	s := &sparely{log: slog.New(slog.NewTextHandler(&said, nil))}
	for range 100 {
		s.say("spans could not be sent", errors.New("the collector is away"))
	}
	s.last = s.last.Add(-complaintPeriod)
	s.say("spans could not be sent", errors.New("the collector is still away"))
	if n := strings.Count(said.String(), "\n"); n != 2 {
		t.Errorf("%d lines, want 2:\n%s", n, said.String())
	}
}
