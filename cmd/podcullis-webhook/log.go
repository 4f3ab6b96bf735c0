package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podcullis/podcullis/internal/logline"
)

const (
	// flushTime is how long the end waits for somebody to read the rest of the log.
	flushTime = 2 * time.Second
	// logPatience is after how long without a reader the process asks to be restarted: the
	// container runtime then makes a new pipe.
	logPatience = 30 * time.Second
)

// newLogger is the log of everything in this process.
func newLogger(o *options, to io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(o.logLevel)) // Validate has parsed it
	h := &slog.HandlerOptions{Level: level}
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, h))
	}
	return slog.New(slog.NewTextHandler(to, h))
}

// newLines is what the log writes to, so that nobody waits for who reads it.
func newLines(o *options, stderr io.Writer) *logline.Writer {
	return logline.New(stderr, func(dropped uint64) []byte {
		var line bytes.Buffer
		newLogger(o, &line).Error("log lines were dropped, because nobody read them in time", "lines", dropped)
		return line.Bytes()
	})
}

func countLines(lines *logline.Writer, registry prometheus.Registerer) {
	registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "podcullis_log_lines_dropped_total",
		Help: "Lines of the log that were never written, because nobody read them in time. A line of the log says so, too, when it flows again.",
	}, func() float64 { return float64(lines.Dropped()) }))
}

// logIsRead is a check of /healthz.
func (a *app) logIsRead(*http.Request) error { return a.lines.Stuck(logPatience) }
