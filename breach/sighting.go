package breach

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// fewFound is of how many violations it is found by trying which of several changes made them;
// to look at each change by itself takes less for more.
const fewFound = 2

// maxReported bounds the violations that one comparison reports one by one.
const maxReported = 50

// key tells violations apart: the guardrail, and what it says first.
type key struct{ guardrail, summary string }

func keyOf(v guardrail.Violation) key { return key{v.Guardrail, v.Summary()} }

// sighting compares a piece of what has changed with what was before it, until what it
// finds has settled.
type sighting struct {
	watcher *Watcher
	rules   guardrail.InForce
	// before and after are the piece, and changes what it is made of.
	before, after *cluster.Snapshot
	changes       []cluster.Change
	opened        time.Time
	due           time.Time // when it is to be looked at
	counting      bool      // what is found is counted, and nobody waits for it
	batch         *batch    // that it is a piece of
	tries         int       // that were too short
	failed        int       // tries that went wrong

	found []found           // what stands; nil before the first look
	first map[key]time.Time // when a violation was found first
	said  map[key]bool
	// unnamed is how many were reported by number only.
	unnamed int
}

func (w *Watcher) newSighting(rules guardrail.InForce, before, after *cluster.Snapshot, changes []cluster.Change) *sighting {
	now := time.Now()
	return &sighting{watcher: w, rules: rules, before: before, after: after, changes: changes, opened: now, due: now, batch: &batch{before: before, after: after, pieces: 1}, first: map[key]time.Time{}, said: map[key]bool{}}
}

// comparison is one look at a sighting: what was before it, beside the piece and what has
// come since that may mend what it broke.
type comparison struct {
	*sighting
	before  *cluster.Snapshot
	after   *cluster.Snapshot
	changes []cluster.Change
	journal []cluster.Written
	told    []Breach
	tried   map[trial][]guardrail.Decision
	origins map[cluster.Change]*cluster.Snapshot // see earlier
	began   time.Time
	budget  int // evaluations left for finding out which changes it was
	time    time.Duration
}

// found is a violation, and the change beside which it was found.
type found struct {
	guardrail.Violation
	beside cluster.Change
}

var (
	// errTooLong is a comparison's that was not made in its time.
	errTooLong = errors.New("out of time")
	// errTooMany is that of one in which something is wrong, and that is of too many changes
	// to tell of which.
	errTooMany = errors.New("too many changes at once")
)

// look compares. wait is how long to wait before looking again; 0 when nothing is left
// that may settle.
func (s *sighting) look(ctx context.Context, limit time.Duration) (wait time.Duration, err error) {
	first := s.found == nil
	c, standing, err := s.compare(ctx, limit)
	if errors.Is(err, errTooLong) || ctx.Err() != nil {
		return 0, err
	}
	if first && !s.counting && (len(standing) > 0 && len(s.changes) > s.watcher.few || len(standing) > fewFound && len(s.changes) > 1 && !s.claims()) {
		return 0, errTooMany
	}
	if first {
		s.batch.found = append(s.batch.found, standing...)
	}
	ctx, cancel := context.WithTimeout(ctx, evaluationTime)
	defer cancel()
	s.found = standing
	now := time.Now()
	for _, f := range standing {
		k := keyOf(f.Violation)
		if s.said[k] {
			continue
		}
		if _, known := s.first[k]; !known {
			s.first[k] = now
		}
		left := s.watcher.settling - now.Sub(s.opened)
		if first {
			left = max(left, 1) // looked at once more, with all that was seen beside it
		}
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
	clear(c.tried)
	clear(c.origins)
	for _, b := range bundle(c.told) {
		s.watcher.report(ctx, b)
	}
	return wait, err
}

// claims reports whether an object names an owner that the model does not hold: who may act
// for it is asked about all that was seen with it.
func (s *sighting) claims() bool {
	return slices.ContainsFunc(s.changes, func(change cluster.Change) bool {
		_, ok := s.after.UnmodelledOwner(change.Ref())
		return ok && change.After != nil
	})
}

// compare finds what the piece breaks and what has come since does not mend.
func (s *sighting) compare(ctx context.Context, limit time.Duration) (*comparison, []found, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	c := &comparison{
		sighting: s, before: s.before, after: s.after, changes: s.changes, tried: map[trial][]guardrail.Decision{}, origins: map[cluster.Change]*cluster.Snapshot{},
		began: time.Now(), budget: maxEvaluations, time: max(minSearch, min(searchTime, limit)),
	}
	if s.found != nil {
		if err := s.batch.check(ctx, s); err != nil {
			return c, s.found, err
		}
		return c, stillStanding(s.found, s.batch.standing), nil
	}
	all, err := c.violations(ctx)
	if errors.Is(context.Cause(ctx), errTooLong) {
		return c, nil, errTooLong
	}
	return c, all, err
}

// stillStanding are those of the violations found first that show later, too, as they are
// said then: what has come since is judged by itself.
func stillStanding(first, all []found) []found {
	keys, ends := map[key]bool{}, map[key]bool{}
	for _, f := range first {
		keys[keyOf(f.Violation)] = true
		if e := endsOf(f.Violation); e != "" {
			ends[key{f.Guardrail, e}] = true
		} else {
			ends[key{f.Guardrail, ""}] = true // nothing tells it from another of that guardrail
		}
	}
	out := []found{}
	for _, f := range all {
		if keys[keyOf(f.Violation)] || ends[key{f.Guardrail, endsOf(f.Violation)}] {
			out = append(out, f)
		}
	}
	return out
}

// endsOf says between whom a path is that a violation is about, or which workload it is;
// empty where its details do not tell.
func endsOf(v guardrail.Violation) string {
	details, _ := v.Details.(map[string]any)
	var out []string
	for _, field := range []string{"from", "to", "workload", "direction"} {
		switch end := details[field].(type) {
		case map[string]any:
			out = append(out, field, fmt.Sprint(end["namespace"], end["kind"], end["name"], end["cidr"]))
		case string:
			out = append(out, field, end)
		}
	}
	return strings.Join(out, " ")
}

// giveUp says that a comparison could not be made.
func (s *sighting) giveUp(err error) {
	s.watcher.metrics.unjudged.Inc()
	s.watcher.Log.Error("what changed in the cluster could not be judged afterwards, violations in it are not seen", "changes", len(s.changes), "first", s.changes[0].Ref().String(), "error", err)
}

// violations are those that the changes brought, each once.
func (c *comparison) violations(ctx context.Context) ([]found, error) {
	var reviews []guardrail.Review
	for _, change := range askedAbout(c.changes, c.after) {
		reviews = append(reviews, review(change, c.began))
	}
	if len(reviews) == 0 {
		return []found{}, nil
	}
	evaluate := c.rules.Survey
	if len(reviews) <= fewChanges && !c.counting {
		evaluate = func(ctx context.Context, before, after *cluster.Snapshot, reviews []guardrail.Review) ([]guardrail.Decision, error) {
			return c.rules.EvaluateInHindsight(ctx, before, after, false, reviews)
		}
	}
	decisions, err := evaluate(ctx, c.before, c.after, reviews)
	out := []found{}
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
	named := !c.counting && len(c.said) < maxReported && c.watcher.named.Allow()
	guilty := c.close(f)
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
		b.words = func(ctx context.Context) guardrail.Violation { return c.ownWords(ctx, f, guilty) }
		c.told = append(c.told, b)
	} else if c.unnamed++; c.unnamed == 1 {
		log.Warn("more violations got in at once than are named; the metric counts them", "named", len(c.said))
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
		judges, isExempt := c.rules.Stance(f.Violation, r)
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
	now := c.watcher.Model.Snapshot()
	return slices.ContainsFunc(changes, func(change cluster.Change) bool {
		_, missing := now.MissingOwner(change.Ref())
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
	decisions, _ := c.rules.InBackground().Word(ctx, c.before, after, reviews)
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
