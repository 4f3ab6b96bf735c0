package breach

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// maxReported bounds the violations that one comparison reports one by one.
const maxReported = 50

// key tells violations apart: the guardrail, and what it says first.
type key struct{ guardrail, summary string }

func keyOf(v guardrail.Violation) key { return key{v.Guardrail, v.Summary()} }

// sighting compares one snapshot with newer ones, until what it finds has settled.
type sighting struct {
	watcher *Watcher
	rules   guardrail.InForce
	opened  time.Time
	first   map[key]time.Time // when a violation was found first
	said    map[key]bool
}

// comparison is one snapshot beside an earlier one.
type comparison struct {
	*sighting
	before  *cluster.Snapshot
	after   *cluster.Snapshot
	changes []cluster.Change // all but those that only move addresses and the like
	journal []cluster.Written
	told    []Breach
	tried   map[trial][]guardrail.Decision
	origins map[cluster.Change]*cluster.Snapshot // see earlier
	began   time.Time
	budget  int // evaluations left for finding out which changes it was
}

// found is a violation, and the change beside which it was found.
type found struct {
	guardrail.Violation
	beside cluster.Change
}

// look compares. wait is how long to wait before looking again; 0 when nothing is left
// that may settle.
func (s *sighting) look(ctx context.Context, before, after *cluster.Snapshot) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, evaluationTime)
	defer cancel()
	c := &comparison{
		sighting: s, before: before, after: after, tried: map[trial][]guardrail.Decision{}, origins: map[cluster.Change]*cluster.Snapshot{},
		began: time.Now(), budget: maxEvaluations,
	}
	for _, change := range after.ChangesSince(before) {
		if !change.Idle() {
			c.changes = append(c.changes, change)
		}
	}
	all, err := c.violations(ctx)
	now := time.Now()
	for _, f := range all {
		k := keyOf(f.Violation)
		if s.said[k] {
			continue
		}
		if _, known := s.first[k]; !known {
			s.first[k] = now
		}
		left := s.watcher.settling - now.Sub(s.first[k])
		held := now.Sub(s.opened) >= s.watcher.hold
		if left <= 0 || held {
			left = c.settle(ctx, f, held)
		}
		if left > 0 {
			if wait == 0 || left < wait {
				wait = left
			}
			continue
		}
		s.said[k] = true
	}
	if s.watcher.Tell != nil {
		for _, b := range bundle(c.told) {
			b.Violation = b.words() // last: trying out what would mend it takes longer than to find it
			s.watcher.Tell(b)
		}
	}
	return wait, err
}

// violations are those that the changes brought, each once.
func (c *comparison) violations(ctx context.Context) ([]found, error) {
	var reviews []guardrail.Review
	for _, change := range askedAbout(c.changes, c.after) {
		reviews = append(reviews, review(change, c.began))
	}
	if len(reviews) == 0 {
		return nil, nil
	}
	evaluate := c.rules.Survey
	if len(reviews) <= fewChanges {
		evaluate = func(ctx context.Context, before, after *cluster.Snapshot, reviews []guardrail.Review) ([]guardrail.Decision, error) {
			return c.rules.EvaluateInHindsight(ctx, before, after, false, reviews)
		}
	}
	decisions, err := evaluate(ctx, c.before, c.after, reviews)
	var out []found
	seen := map[key]bool{}
	for i, d := range decisions {
		for _, v := range d.Violations {
			if k := keyOf(v); !seen[k] {
				seen[k] = true
				out = append(out, found{v, reviews[i].Change})
			}
		}
	}
	for i, d := range decisions { // one that is exempt beside one change need not be beside another
		for _, x := range d.Exempted {
			if k := keyOf(x.Violation); !seen[k] {
				seen[k] = true
				out = append(out, found{x.Violation, reviews[i].Change})
			}
		}
	}
	return out, err
}

// fewChanges is up to how many changes guardrails are asked beside each of them.
const fewChanges = 16

// askedAbout are the changes that admission judges.
func askedAbout(changes []cluster.Change, after *cluster.Snapshot) []cluster.Change {
	var out []cluster.Change
	for _, c := range changes {
		if asked(c) && !endsWithNamespace(c, after) {
			out = append(out, c)
		}
	}
	return out
}

// settle reports a violation that has stood for long enough, and returns 0; else how long
// it may still take until it is certain. With held there is no more time for that.
func (c *comparison) settle(ctx context.Context, f found, held bool) time.Duration {
	named := len(c.said) < maxReported
	guilty := c.near(f)
	if named {
		guilty = c.guilty(ctx, f)
	}
	why := c.why(ctx, f, guilty)
	if left := c.watcher.ownerPatience - time.Since(c.first[keyOf(f.Violation)]); left > 0 && !held && why == "" && c.ownersMissing(guilty) {
		return left
	}
	log, m := c.watcher.Log, c.watcher.metrics
	switch {
	case why == whyDryRun && named:
		b := c.breach(ctx, f, guilty, false)
		log.Info("violation is there: mode audit let it in", "guardrail", b.Guardrail, "severity", b.Severity, "violation", b.Summary(), "by", b.Causes())
		fallthrough
	case why != "":
		m.knowing.WithLabelValues(f.Guardrail, why).Inc()
		return 0
	}
	b := c.breach(ctx, f, guilty, named)
	m.report(&b)
	if named {
		log.Warn("violation got in", "guardrail", b.Guardrail, "severity", b.Severity, "violation", b.Summary(), "by", b.Causes(), "delay", b.Delay.Round(time.Millisecond))
		b.words = func() guardrail.Violation { return c.ownWords(ctx, f, guilty) }
		c.told = append(c.told, b)
	} else if len(c.said) == maxReported {
		log.Warn("more violations got in at once than are named; the metric counts them", "named", maxReported)
	}
	return 0
}

// why is why a violation that some changes made was let in knowingly; empty for a breach.
// In doubt it is one.
func (c *comparison) why(ctx context.Context, f found, guilty []cluster.Change) string {
	judged, exempt, open := false, false, false
	all := askedAbout(guilty, c.after)
	for _, change := range all {
		r := review(change, c.began)
		r.Before, r.After = c.before, c.after
		judges, isExempt := c.rules.Stance(f.Guardrail, r)
		judged = judged || judges && !isExempt
		exempt = exempt || isExempt
		open = open || judges && !c.rules.Excludes(namespaceOf(change))
	}
	switch {
	case !judged && exempt:
		return whyExempted
	case !judged:
		return whyUnmatched
	case f.Action != guardrail.Deny:
		return whyAction
	case !open && !c.reachesOut(f.Violation):
		return whyExcluded
	case c.watcher.DryRun:
		return whyDryRun
	case c.dependsOnClaim(ctx, f, guilty, all):
		return whyOwner
	}
	return ""
}

// ownersMissing reports whether the object of one of the changes names an owner that may
// show in a moment.
func (c *comparison) ownersMissing(changes []cluster.Change) bool {
	return slices.ContainsFunc(changes, func(change cluster.Change) bool {
		_, missing := c.after.MissingOwner(change.Ref())
		return missing && change.After != nil
	})
}

// dependsOnClaim reports whether there is no violation if whoever made the changes may act
// for the owners that the objects name, custom resources: admission knew.
func (c *comparison) dependsOnClaim(ctx context.Context, f found, guilty, judged []cluster.Change) bool {
	claims := slices.ContainsFunc(guilty, func(change cluster.Change) bool {
		_, ok := c.after.UnmodelledOwner(change.Ref())
		return ok && change.After != nil
	})
	if !claims {
		return false
	}
	after, err := c.before.Apply(guilty...)
	if err != nil {
		return false
	}
	var reviews []guardrail.Review
	for _, change := range judged {
		reviews = append(reviews, review(change, c.began))
	}
	decisions, err := c.rules.EvaluateInHindsight(ctx, c.before, after, true, reviews)
	return err == nil && !shows(decisions, keyOf(f.Violation))
}

// reachesOut reports whether a violation is about somebody outside the excluded
// namespaces.
func (c *comparison) reachesOut(v guardrail.Violation) bool {
	details, _ := v.Details.(map[string]any)
	for _, field := range []string{"from", "to", "workload"} {
		if end, ok := details[field].(map[string]any); ok {
			if namespace, ok := end["namespace"].(string); ok && !c.rules.Excludes(namespace) {
				return true
			}
		}
	}
	return false
}

func namespaceOf(c cluster.Change) string {
	if ref := c.Ref(); ref.Namespace != "" {
		return ref.Namespace
	}
	return c.Ref().Name
}

// breach describes a violation by the changes that made it. With named, those of a while
// ago are looked for, too.
func (c *comparison) breach(ctx context.Context, f found, guilty []cluster.Change, named bool) Breach {
	if c.journal == nil {
		c.journal = c.watcher.Model.Journal()
	}
	b := Breach{Violation: f.Violation}
	var shown time.Time
	for _, change := range guilty {
		x := cause(change, c.journal)
		b.By = append(b.By, x)
		if x.Write.Seen.After(shown) {
			shown = x.Write.Seen
		}
	}
	if named {
		b.By = append(b.By, c.earlier(ctx, f, guilty)...)
	}
	slices.SortStableFunc(b.By, later)
	b.Delay = since(shown)
	return b
}

// ownWords is the violation as the guardrail words it beside one of the changes that made
// it: what is advised depends on that.
func (c *comparison) ownWords(ctx context.Context, f found, guilty []cluster.Change) guardrail.Violation {
	after, err := c.before.Apply(guilty...)
	if err != nil {
		return f.Violation
	}
	var reviews []guardrail.Review
	for _, change := range askedAbout(guilty, c.after) {
		reviews = append(reviews, review(change, c.began))
	}
	decisions, _ := c.rules.Word(ctx, c.before, after, reviews)
	for _, d := range decisions {
		for _, v := range d.Violations {
			if keyOf(v) == keyOf(f.Violation) {
				return v
			}
		}
	}
	return f.Violation
}

func shows(decisions []guardrail.Decision, k key) bool {
	return slices.ContainsFunc(decisions, func(d guardrail.Decision) bool {
		return slices.ContainsFunc(d.Violations, func(v guardrail.Violation) bool { return keyOf(v) == k }) ||
			slices.ContainsFunc(d.Exempted, func(x guardrail.Exempted) bool { return keyOf(x.Violation) == k })
	})
}

// concerns reports whether a violation speaks of a namespace.
func concerns(v guardrail.Violation, namespace string) bool {
	return strings.Contains(v.Message, namespace+"/")
}
