package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/podcullis/podcullis/test/bench/load"
)

// measureStrict loads two of the real webhook in turns: one keeps what is in flight in a
// ledger, one keeps nothing. The reviews are no dry runs, and of the kinds that controllers
// and kubelets send all day, of which nothing is written.
func (s *sheet) measureStrict(ctx context.Context) (err error) {
	strict, err := setStage(ctx, s.town(), "--consistency=strict", "--ledger=podcullis/ledger")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, strict.strike()) }()
	observe, err := setStage(ctx, s.town(), "--consistency=observe")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, observe.strike()) }()
	r, err := newReviewer(s.town())
	if err != nil {
		return err
	}
	d := &duel{own: strict.webhook, noop: observe.webhook}
	for i := range differentReviews {
		write := r.podCreate
		if i%2 == 1 {
			write = r.podStatus
		}
		body, err := write()
		if err != nil {
			return err
		}
		d.bodies = append(d.bodies, bytes.Replace(body, []byte(`"dryRun":true`), []byte(`"dryRun":false`), 1))
	}
	for _, p := range []*program{d.own, d.noop} {
		if r := load.Closed(ctx, clients, s.phase, d.asking(p)); r.Errors > 0 {
			return fmt.Errorf("warm up %s: %d errors, one of them: %w", p.url, r.Errors, r.First)
		}
	}
	rates, p99 := map[*program][]float64{}, map[*program][]float64{}
	answers := 0
	if err := d.inTurns(s.rounds, func(p *program) error {
		r := load.Closed(ctx, clients, s.phase, d.asking(p))
		answers += len(r.Latencies)
		rates[p] = append(rates[p], r.PerSecond())
		return errors.Join(ctx.Err(), r.First)
	}); err != nil {
		return err
	}
	rate := load.Median(rates[d.noop]) / 2
	if err := d.inTurns(s.rounds, func(p *program) error {
		r := load.Open(ctx, clients, rate, s.phase, d.asking(p))
		p99[p] = append(p99[p], float64(r.Latencies.Quantile(0.99)))
		return errors.Join(ctx.Err(), r.First)
	}); err != nil {
		return err
	}
	how := fmt.Sprintf("pods of a Deployment and status updates, %d connections, %d rounds of %s in turns, median of the rounds' ratios; %s", clients, s.rounds, s.phase, s.town())
	s.put("strict-throughput", load.Median(ratios(rates[d.own], rates[d.noop])), answers, "%s", how)
	s.put("strict-p99", load.Median(ratios(p99[d.own], p99[d.noop])), answers, "at half of the load; %s", how)
	return nil
}
