package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/podcullis/podcullis/doctor/probe/packets"
)

// probeOptions are the flags of the pods that `podcullis doctor --probe` starts.
type probeOptions struct {
	listen   []string
	connect  string
	patience time.Duration
	report   string
}

func (o *probeOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.listen, "probe-listen", nil, "instead of serving, accept connections on this `host:port` and close them, for podcullis doctor --probe; repeatable. With --probe-connect: once all ports have answered")
	f.StringVar(&o.connect, "probe-connect", "", "instead of serving, connect to the ports of a probe on this `host`, and report which answer while NetworkPolicies change")
	f.DurationVar(&o.patience, "probe-patience", 20*time.Second, "of --probe-connect: for how long a connection has to be possible before it is said to be")
	f.StringVar(&o.report, "probe-report", "", "of --probe-connect: the `file` for the report, beside standard output")
}

func (o *probeOptions) on() bool { return len(o.listen) > 0 || o.connect != "" }

func (o *probeOptions) validate(others bool) []error {
	var errs []error
	if !o.on() {
		if o.report != "" {
			errs = append(errs, errors.New("--probe-report needs --probe-connect"))
		}
		return errs
	}
	if others {
		errs = append(errs, errors.New("--probe-listen and --probe-connect stand alone, without --canary and --remove"))
	}
	for _, address := range o.listen {
		if _, _, err := net.SplitHostPort(address); err != nil {
			errs = append(errs, fmt.Errorf("--probe-listen must be host:port, got %q", address))
		}
	}
	if o.connect != "" && net.ParseIP(o.connect) == nil {
		errs = append(errs, fmt.Errorf("--probe-connect must be an IP address, got %q", o.connect))
	}
	if o.patience <= 0 {
		errs = append(errs, fmt.Errorf("--probe-patience must be positive, got %s", o.patience))
	}
	return errs
}

// probeOtherPod is one end of a probe. Where packets arrive is a report, and no failure.
func probeOtherPod(ctx context.Context, all *options, stdout io.Writer) error {
	o := &all.probe
	if o.connect == "" {
		return packets.Listen(ctx, o.listen...)
	}
	listening := make(chan error, 1)
	until, stop := context.WithCancel(ctx)
	defer stop()
	outcome := packets.Try(ctx, o.connect, o.patience, func() {
		if len(o.listen) > 0 {
			go func() { listening <- packets.Listen(until, o.listen...) }()
		}
	})
	select {
	case err := <-listening:
		if err != nil {
			return err
		}
	default:
	}
	text, err := json.Marshal(outcome)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, string(text))
	if o.report == "" {
		return nil
	}
	return os.WriteFile(o.report, text, 0o600)
}
