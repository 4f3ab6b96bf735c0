package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/test/bench/load"
	"github.com/podcullis/podcullis/test/bench/town"
)

// plan is a town of the size that goals are about, times the scale.
func (s *sheet) plan(pods, namespaces, netpols int) town.Plan {
	scaled := func(n, least int) int { return max(least, int(float64(n)*s.scale)) }
	p := town.Plan{Seed: s.seed, Namespaces: scaled(namespaces, 4)}
	p.Pods = scaled(pods, 10*p.Namespaces)
	p.Netpols = scaled(netpols, 2*p.Namespaces)
	return p
}

func (s *sheet) town() town.Plan { return s.plan(10_000, 100, 1_000) }

func (s *sheet) measureModel(ctx context.Context) error {
	return s.measureTable(ctx, "model", s.town())
}

func (s *sheet) measureSolitary(ctx context.Context) error {
	p := s.town()
	p.Solitary = true
	return s.measureTable(ctx, "solitary", p)
}

// measureTable measures every row of the first table for one town.
func (s *sheet) measureTable(ctx context.Context, suite string, p town.Plan) error {
	b, err := s.build(suite, p, 5)
	if err != nil {
		return err
	}
	if err := s.applies(ctx, suite, b); err != nil {
		return err
	}
	if err := s.questions(ctx, suite, b); err != nil {
		return err
	}
	var found int
	took, err := s.repeat(ctx, 3, func() (time.Duration, error) {
		return s.timed(func() { found = len(connectivity.Connections(b.base, connectivity.Options{})) }), nil
	})
	s.putLatency(suite+"-open-list", took, 0.5, "connectivity.Connections of the whole town; median")
	s.put(suite+"-open-list-length", float64(found), 1, "%s", p)
	return err
}

func (s *sheet) measureLarge(ctx context.Context) error {
	p := s.plan(100_000, 1_000, 10_000)
	b, err := s.build("large", p, 1)
	if err != nil {
		return err
	}
	applied, err := s.chain(ctx, b, b.netpolChange)
	if err != nil {
		return err
	}
	s.putLatency("large-netpol-p99", applied, 0.99, "random netpols edited one after the other; %s", p)
	asked, err := s.fork(ctx, b, b.netpolChange)
	s.putLatency("large-forbidden-p99", asked, 0.99, "each change on its own, as at admission; %s", p)
	return err
}

// build makes the snapshot of a town: how long that takes and what it weighs.
func (s *sheet) build(suite string, p town.Plan, times int) (*workbench, error) {
	empty := heap()
	objects, err := p.Model()
	if err != nil {
		return nil, err
	}
	var base *cluster.Snapshot
	var took load.Latencies
	for range times {
		base = nil //nolint:ineffassign,wastedassign // lets the one before be collected
		heap()     // the one before is not this one's garbage
		began := s.clock()
		if base, err = cluster.New(objects...); err != nil {
			return nil, err
		}
		if err := firstQuestion(base); err != nil {
			return nil, err
		}
		took = append(took, s.clock()-began)
	}
	s.putLatency(suite+"-build", took, 0.5, "cluster.New and the first forbidden-paths; median; %s", p)
	clear(objects)
	s.put(suite+"-size", (float64(heap())-float64(empty))/1e6, 1, "heap in use after a collection, against before; %s", p)
	return newWorkbench(p, base), nil
}

// firstQuestion has a snapshot build what it builds when it is first asked: what
// if some team's default-deny were not there?
func firstQuestion(base *cluster.Snapshot) error {
	for ns := range base.Namespaces() {
		n, ok := base.Netpol(ns.Name, "default-deny")
		if !ok || ns.Labels[town.TeamLabel] == "" {
			continue
		}
		after, err := base.Apply(cluster.Change{Before: n})
		if err != nil {
			return fmt.Errorf("delete %s: %w", n.Ref(), err)
		}
		connectivity.Opened(base, after, forbidden(), connectivity.Options{})
		return nil
	}
	return errors.New("no namespace has a default-deny to ask about")
}

// applies measures Apply as the live model calls it: each change on top of the
// one before.
func (s *sheet) applies(ctx context.Context, suite string, b *workbench) error {
	took, err := s.chain(ctx, b, b.netpolChange)
	if err != nil {
		return err
	}
	const how = "%s; each change on top of the one before; %s"
	s.putLatency(suite+"-netpol-p50", took, 0.5, how, "random netpols edited", b.plan)
	s.putLatency(suite+"-netpol-p99", took, 0.99, how, "random netpols edited", b.plan)
	if took, err = s.chain(ctx, b, always(b.siblingPod)); err != nil {
		return err
	}
	s.putLatency(suite+"-pod-known-p50", took, 0.5, how, "one more pod of a random workload", b.plan)
	if took, err = s.chain(ctx, b, always(b.strangerPod)); err != nil {
		return err
	}
	s.putLatency(suite+"-pod-new-p50", took, 0.5, how, "a pod with a label value that no other has, of a key that netpols look at", b.plan)
	return nil
}

// questions measures what a guardrail asks at admission: each change is tried on
// the same snapshot and dropped.
func (s *sheet) questions(ctx context.Context, suite string, b *workbench) error {
	took, err := s.fork(ctx, b, b.netpolChange)
	if err != nil {
		return err
	}
	const how = "%s; each change on its own, as at admission; may a frontend reach a db?; %s"
	s.putLatency(suite+"-forbidden-p50", took, 0.5, how, "random netpols edited", b.plan)
	s.putLatency(suite+"-forbidden-p99", took, 0.99, how, "random netpols edited", b.plan)
	if took, err = s.fork(ctx, b, always(b.strangerPod)); err != nil {
		return err
	}
	s.putLatency(suite+"-pod-forbidden-p99", took, 0.99, how, "a new pod with labels that are new", b.plan)
	took, err = s.fork(ctx, b, always(b.relabelling))
	s.putLatency(suite+"-relabel-p99", took, 0.99, how, "the namespace label that most netpols go by, given or taken", b.plan)
	return err
}

// edit makes the next change to a snapshot.
type edit func(now *cluster.Snapshot) (cluster.Change, error)

// always is an edit that does not depend on what there is.
func always(change func() cluster.Change) edit {
	return func(*cluster.Snapshot) (cluster.Change, error) { return change(), nil }
}

// chain times Apply of changes on top of each other.
func (s *sheet) chain(ctx context.Context, b *workbench, change edit) (load.Latencies, error) {
	now := b.base
	return s.repeat(ctx, s.samples, func() (time.Duration, error) {
		c, err := change(now)
		if err != nil {
			return 0, err
		}
		var next *cluster.Snapshot
		took := s.timed(func() { next, err = now.Apply(c) })
		now = next
		return took, err
	})
}

// fork times Apply and Opened of changes that are each tried on the base.
func (s *sheet) fork(ctx context.Context, b *workbench, change edit) (load.Latencies, error) {
	return s.repeat(ctx, s.samples, func() (time.Duration, error) {
		c, err := change(b.base)
		if err != nil {
			return 0, err
		}
		return s.timed(func() {
			var after *cluster.Snapshot
			if after, err = b.base.Apply(c); err == nil {
				connectivity.Opened(b.base, after, forbidden(), connectivity.Options{})
			}
		}), err
	})
}

// repeat measures at most so often and as long as the budget lasts, but at least once.
func (s *sheet) repeat(ctx context.Context, times int, measure func() (time.Duration, error)) (load.Latencies, error) {
	heap() // what was before is not this one's garbage
	var out load.Latencies
	for end := time.Now().Add(s.budget); len(out) < times && (len(out) == 0 || time.Now().Before(end)); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		took, err := measure()
		if err != nil {
			return nil, err
		}
		out = append(out, took)
	}
	return out, nil
}

func (s *sheet) timed(f func()) time.Duration {
	began := s.clock()
	f()
	return s.clock() - began
}
