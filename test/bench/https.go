package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podcullis/podcullis/test/bench/load"
)

// measureHTTPS loads the real webhook and the no-op one in turns.
func (s *sheet) measureHTTPS(ctx context.Context) (err error) {
	st, err := setStage(ctx, s.town())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.strike()) }()
	floor, err := startFloor(ctx, st.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, floor.stop()) }()
	r, err := newReviewer(s.town())
	if err != nil {
		return err
	}
	bodies, err := r.mix()
	if err != nil {
		return err
	}
	d := &duel{own: st.webhook, noop: floor, bodies: bodies}
	for _, p := range []*program{d.own, d.noop} { // every review once: both are warm, and all are allowed
		if r := load.Closed(ctx, clients, s.phase, d.asking(p)); r.Errors > 0 {
			return fmt.Errorf("warm up %s: %d errors, one of them: %w", p.url, r.Errors, r.First)
		}
	}
	if err := s.throughput(ctx, d); err != nil {
		return err
	}
	return s.latency(ctx, d)
}

// duel is two servers that get the same reviews.
type duel struct {
	own, noop *program
	bodies    [][]byte
}

func (d *duel) asking(p *program) load.Ask {
	return func(ctx context.Context, n int) error { return p.mustAllow(ctx, d.bodies[n%len(d.bodies)]) }
}

// inTurns runs a round of each server, so that whatever else the machine does
// meets both: the one that begins changes from round to round.
func (d *duel) inTurns(rounds int, run func(*program) error) error {
	for i := range rounds {
		pair := []*program{d.own, d.noop}
		if i%2 == 1 {
			pair[0], pair[1] = pair[1], pair[0]
		}
		for _, p := range pair {
			if err := run(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sheet) throughput(ctx context.Context, d *duel) error {
	rates, costs := map[*program][]float64{}, map[*program][]float64{}
	var answers int
	err := d.inTurns(s.rounds, func(p *program) error {
		before, err := p.cpu()
		if err != nil {
			return err
		}
		r := load.Closed(ctx, clients, s.phase, d.asking(p))
		after, cpuErr := p.cpu()
		if err := errors.Join(ctx.Err(), r.First, cpuErr); err != nil {
			return err
		}
		answers += len(r.Latencies)
		rates[p] = append(rates[p], r.PerSecond())
		costs[p] = append(costs[p], float64((after-before).Microseconds())/float64(len(r.Latencies)))
		return nil
	})
	if err != nil {
		return err
	}
	how := fmt.Sprintf("%d connections, closed loop, %s; %d rounds of %s in turns, median; the load generator shares the machine; %s", clients, mixText, s.rounds, s.phase, s.town())
	s.put("https-throughput", load.Median(ratios(rates[d.own], rates[d.noop])), answers, "median of the rounds' ratios; %s", how)
	s.put("https-throughput-own", load.Median(rates[d.own]), answers, "%s", how)
	s.put("https-throughput-noop", load.Median(rates[d.noop]), answers, "%s", how)
	s.put("https-cpu", load.Median(ratios(costs[d.noop], costs[d.own])), answers, "what the ratio of throughputs would be if the load generator cost nothing: processor time of the no-op process for a review, divided by ours")
	s.put("https-cpu-own", load.Median(costs[d.own]), answers, "user and system time of the process, from /proc")
	s.put("https-cpu-noop", load.Median(costs[d.noop]), answers, "user and system time of the process, from /proc")
	return nil
}

func (s *sheet) latency(ctx context.Context, d *duel) error {
	rate := *s.figures["https-throughput-own"].Value / 2
	p99, all := map[*program][]float64{}, map[*program]load.Latencies{}
	err := d.inTurns(s.rounds, func(p *program) error {
		r := load.Open(ctx, clients, rate, s.phase, d.asking(p))
		if err := errors.Join(ctx.Err(), r.First); err != nil {
			return err
		}
		p99[p] = append(p99[p], float64(r.Latencies.Quantile(0.99)))
		all[p] = append(all[p], r.Latencies...)
		return nil
	})
	if err != nil {
		return err
	}
	how := fmt.Sprintf("open loop, one review every %s whether or not earlier ones were answered, latency from the time at which it was due; %d rounds of %s in turns", time.Duration(float64(time.Second)/rate).Round(time.Microsecond), s.rounds, s.phase)
	s.put("https-p99", load.Median(ratios(p99[d.own], p99[d.noop])), len(all[d.own]), "median of the rounds' ratios; %s", how)
	s.putLatency("https-p99-own", all[d.own], 0.99, "all rounds together; %s", how)
	s.putLatency("https-p99-noop", all[d.noop], 0.99, "all rounds together; %s", how)
	s.putLatency("https-p50-own", all[d.own], 0.5, "all rounds together; %s", how)
	s.putLatency("https-p50-noop", all[d.noop], 0.5, "all rounds together; %s", how)
	return nil
}

// ratios divides round by round.
func ratios(a, b []float64) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		out = append(out, a[i]/b[i])
	}
	return out
}
