package remedy

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
)

// Remedy is an edit of the change, or of what stands beside it, that was tried: with
// it no guardrail denies the change, and none warns that did not before.
type Remedy struct {
	// Text says in one line what to do.
	Text string
	// Edits are the objects to edit, each with what changes in it.
	Edits []Edited
	// Opened counts the connections that the change opens, as pairs of peers, and Kept
	// those that it still opens with the edit. Both are 0, and Lost is empty, where they
	// say nothing: the change is no netpol's, or what is denied is that it isolates less.
	Opened, Kept int
	// Keeps are those of them that are still open, as a whole.
	Keeps []connectivity.Connection
	// Lost are the connections that are there no more with the edit, and that nobody
	// forbids, sorted by peers.
	Lost []connectivity.Connection
	// Unless is what to do instead where the change is right and the model lacks a fact; "" for nothing.
	Unless string
	// Review is the one that was denied as it is with the edits.
	Review guardrail.Review
}

// Edited is one object with what changes in it.
type Edited struct {
	Object cluster.Ref
	// Own is set for the object under review; another one has to be edited first.
	Own bool
	// New is set for a netpol that is not there yet; Part is then all of it.
	New bool
	// Part is the changed part in YAML, without a newline at its end where it is one
	// line: "podSelector: {matchLabels: {app: web}}".
	Part string
	// Netpol is the whole netpol as it should be; nil for other objects.
	Netpol *cluster.Draft
}

// The search is bounded by steps, so that the same change gets the same answer on a
// busy machine. A step is one evaluation of the guardrails; one after which nothing is
// denied counts for several, by the connections that it is compared by.
const (
	maxSteps = 120
	stepSize = 500 // connections
	maxDepth = 4   // edits that are combined
	maxWidth = 6   // combinations that are followed further
)

// Evaluator judges a change; *guardrail.Engine is one.
type Evaluator interface {
	Evaluate(context.Context, guardrail.Review) (guardrail.Decision, error)
	PathQuestions() ([]guardrail.PathQuestion, error)
	Connectivity() connectivity.Options
}

// Find looks for a remedy of a review that was denied. It is false where there is
// none, or when it was not found within the bounds or before the end of ctx.
//
// A path that is not proved shut counts as open, so that the edit shuts it for certain.
// Only where a fact is missing no edit is looked for: what it is the guardrail's own
// advice says.
func Find(ctx context.Context, e Evaluator, r guardrail.Review, d guardrail.Decision) (Remedy, bool) {
	if _, editable := pathsOf(d); !editable {
		return Remedy{}, false
	}
	s := newSearch(ctx, e, r, d)
	if best, found := s.best(s.ownEdits()); found {
		return s.remedy(best), true
	}
	// What others wrote is edited only where that takes nothing from anybody.
	if best, found := s.best(s.otherEdits()); found && len(best.lost) == 0 && !s.large() {
		return s.remedy(best), true
	}
	if a, ok := s.applied(d); ok {
		return Remedy{Text: a.edits[0].text, Edits: a.change.edited, Review: a.change.review}, true
	}
	return Remedy{}, false
}

func newSearch(ctx context.Context, e Evaluator, r guardrail.Review, d guardrail.Decision) *search {
	paths, _ := pathsOf(d)
	s := &search{ctx: ctx, evaluator: e, review: r, options: e.Connectivity(), paths: paths, warned: warningsOf(d), tried: map[string]bool{}, pairs: -1}
	s.exposes = len(paths) == 0
	s.options.Interrupted = func() bool { return ctx.Err() != nil }
	s.questions, _ = e.PathQuestions()
	return s
}

// search looks for the remedy of one review.
type search struct {
	ctx       context.Context
	evaluator Evaluator
	review    guardrail.Review
	options   connectivity.Options
	questions []guardrail.PathQuestion
	paths     []path
	opens     []connectivity.Connection // see opened
	warned    map[string]bool
	tried     map[string]bool // by what the edits come to
	steps     int
	pairs     int  // see size; -1 until it is known
	exposes   bool // what is denied is more than paths
}

// attempt is some edits, and what came of them.
type attempt struct {
	edits   []edit
	next    int // the first edit that may be added
	change  *changed
	denials int
	holes   int // the ways by which what is denied is open; see holesOf
	lost    []connectivity.Connection
	cost    int  // how many are lost, or about how many where they are not looked at
	idle    bool // a netpol selects nobody any more, or a rule lets nobody through
}

// best combines edits until nothing is denied, those first that lose least.
func (s *search) best(edits []edit) (best attempt, found bool) {
	beam := []attempt{{denials: 1 << 30, holes: 1 << 30}}
	for depth := 0; depth < maxDepth && len(beam) > 0; depth++ {
		var partial []attempt
		for _, from := range beam {
			for i := from.next; i < len(edits); i++ {
				a, ok := s.try(from, edits[i], i)
				switch {
				case !ok || found && !less(a, best) && a.denials == 0:
				case a.denials == 0:
					best, found = a, true
				case a.holes < from.holes && (!found || a.cost < best.cost):
					partial = append(partial, a)
				}
			}
		}
		if found && best.cost == 0 && !best.idle {
			break
		}
		slices.SortStableFunc(partial, func(a, b attempt) int {
			return cmp.Or(cmp.Compare(a.holes, b.holes), cmp.Compare(a.cost, b.cost))
		})
		beam = partial[:min(len(partial), maxWidth)]
	}
	return best, found
}

// less orders attempts that settle the review: by the other connections that are
// lost, a netpol that still does something first, by the number of edits, and a list of who may before a list of who may not.
func less(a, b attempt) bool {
	return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(boolRank(a.idle), boolRank(b.idle)), cmp.Compare(len(a.edits), len(b.edits)), cmp.Compare(rankOf(a.edits), rankOf(b.edits))) < 0
}

func rankOf(edits []edit) int {
	rank := 0
	for _, e := range edits {
		rank = max(rank, e.rank)
	}
	return rank
}

// try adds one edit to an attempt, and judges the change anew.
func (s *search) try(from attempt, e edit, at int) (attempt, bool) {
	if s.steps >= maxSteps || s.ctx.Err() != nil {
		return attempt{}, false
	}
	edits := append(slices.Clone(from.edits), e)
	c, ok := s.apply(edits)
	if !ok || s.tried[c.key] {
		return attempt{}, false
	}
	s.tried[c.key] = true
	s.steps++
	d, err := s.evaluator.Evaluate(s.ctx, c.review)
	if err != nil {
		return attempt{}, false
	}
	a := attempt{edits: edits, next: at + 1, change: c, denials: d.Count(guardrail.Deny)}
	warnings := s.newWarnings(d) // to be settled, too, such as a barrier that is lost on the other side
	a.denials += warnings
	a.holes = holesOf(d) + warnings
	if a.denials == 0 && s.opensMore(c) {
		return attempt{}, false
	}
	if s.large() || a.denials > 0 && s.size() > maxCompared {
		a.cost = s.size() - sizeOf(c.review.After, c.review.Change.After)
	} else {
		a.lost = s.lost(c)
		a.cost = len(a.lost)
	}
	if a.denials == 0 && !s.large() {
		s.steps += s.size() / stepSize
	}
	a.idle = a.denials == 0 && s.idle(c)
	return a, s.ctx.Err() == nil // what was interrupted is not complete
}

// idle tells whether an edit leaves a netpol that selects nobody, or a rule that lets
// nobody through, where it did: that is to delete it, in other words.
func (s *search) idle(c *changed) bool {
	for _, e := range c.edited {
		if e.Netpol == nil || !e.Own { // of others' who needs what is not known
			continue
		}
		is, _ := s.review.After.Netpol(e.Object.Namespace, e.Object.Name)
		n, _ := c.review.After.Netpol(e.Object.Namespace, e.Object.Name)
		before, after := connectivity.Selects(s.review.After, is), connectivity.Selects(s.review.After, n)
		if len(before.Workloads) > 0 && len(after.Workloads) == 0 {
			return true
		}
		for d := range after.Rules {
			for i, r := range after.Rules[d] {
				if i < len(before.Rules[d]) && !idleRule(before.Rules[d][i]) && idleRule(r) {
					return true
				}
			}
		}
	}
	return false
}

func idleRule(r connectivity.RuleSelection) bool { return len(r.Workloads) == 0 && len(r.Blocks) == 0 }

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func warningsOf(d guardrail.Decision) map[string]bool {
	out := map[string]bool{}
	for _, w := range d.With(guardrail.Warn) {
		each := w.Each() // a warning about fewer reads differently, and is no new one
		if len(each) == 0 {
			each = []any{w.Summary()}
		}
		for _, x := range each {
			if text, err := json.Marshal(x); err == nil {
				out[w.Guardrail+"\n"+string(text)] = true
			}
		}
	}
	return out
}

// newWarnings counts the warnings that were not there before the edit.
func (s *search) newWarnings(d guardrail.Decision) int {
	n := 0
	for w := range warningsOf(d) {
		if !s.warned[w] {
			n++
		}
	}
	return n
}

// opensMore tells whether the edit opens what the change would not: to narrow who is
// selected also narrows who is isolated.
func (s *search) opensMore(c *changed) bool {
	if s.large() {
		return len(connectivity.Exposed(s.review.After, c.review.After, connectivity.Everyone(), s.options)) > 0
	}
	if c.review.Before != s.review.Before && len(connectivity.Missing(c.review.Before, s.review.Before, s.options)) > 0 {
		return true
	}
	opened := map[string]connectivity.PortSet{}
	for _, x := range s.opened() {
		opened[pairOf(x)] = opened[pairOf(x)].Union(x.Ports)
	}
	for _, x := range connectivity.Missing(c.review.After, c.review.Before, s.options) {
		if !x.Ports.Subtract(opened[pairOf(x)]).Empty() {
			return true
		}
	}
	return false
}

// Beyond so many connections an attempt that does not settle it is not compared by them,
// and beyond so many none is: about what it costs is then seen by who is selected, and
// not told.
const (
	maxCompared = 2000
	maxCounted  = 5000
)

// size is about how many connections the netpol under review lets through.
func (s *search) size() int {
	if s.pairs < 0 {
		s.pairs = sizeOf(s.review.After, s.review.Change.After)
	}
	return s.pairs
}

func sizeOf(after *cluster.Snapshot, o cluster.Object) int {
	n, ok := o.(*cluster.Netpol)
	if !ok {
		return 0
	}
	x := connectivity.Selects(after, n)
	peers := 0
	for _, rules := range x.Rules {
		for _, r := range rules {
			peers += len(r.Workloads) + len(r.Blocks)
		}
	}
	return len(x.Workloads) * peers
}

func (s *search) large() bool { return s.size() > maxCounted }

// opened are the connections that the change opens.
func (s *search) opened() []connectivity.Connection {
	if s.opens == nil {
		s.opens = connectivity.Missing(s.review.After, s.review.Before, s.options)
		if s.opens == nil {
			s.opens = []connectivity.Connection{}
		}
	}
	return s.opens
}

// lost are the connections that the change would leave and the edited one does not,
// without what the guardrails forbid.
func (s *search) lost(c *changed) []connectivity.Connection {
	var out []connectivity.Connection
	for _, l := range connectivity.Missing(s.review.After, c.review.After, s.options) {
		ports := l.Ports
		for _, p := range s.paths {
			if p.about(l) {
				ports = ports.Subtract(p.ports)
			}
		}
		if l, some := l.On(ports); some {
			out = append(out, l)
		}
	}
	return out
}

func (s *search) remedy(a attempt) Remedy {
	r := Remedy{Text: s.text(a.edits), Lost: a.lost, Edits: a.change.edited, Review: a.change.review}
	if _, isNetpol := s.review.Change.After.(*cluster.Netpol); !isNetpol || s.exposes || s.large() {
		r.Lost = nil
	} else {
		r.Opened, r.Keeps = s.kept(a.change)
		r.Kept = pairsIn(r.Keeps)
	}
	if len(s.paths) > 0 && len(s.options.PodNetwork) == 0 && !slices.ContainsFunc(s.paths, func(p path) bool { return p.unknown != connectivity.IPNotAssigned }) {
		r.Unless = "if pods get no address in its ipBlock, say instead where they do, as podNetwork in the configuration"
	}
	if s.ctx.Err() != nil { // the count was interrupted
		r.Opened, r.Kept, r.Keeps = 0, 0, nil
	}
	return r
}

// kept counts the connections that the change opens, and lists those of them that the
// edited one opens on all the same ports.
func (s *search) kept(c *changed) (opened int, kept []connectivity.Connection) {
	gone := map[string]bool{}
	for _, l := range connectivity.Missing(s.review.After, c.review.After, s.options) {
		gone[pairOf(l)] = true
	}
	for _, x := range s.opened() {
		if !gone[pairOf(x)] {
			kept = append(kept, x)
		}
	}
	return pairsIn(s.opened()), kept
}

// pairsIn counts the pairs of peers: what is certain and what is unknown between two is
// one connection for people.
func pairsIn(list []connectivity.Connection) int {
	pairs := map[string]bool{}
	for _, c := range list {
		pairs[pairOf(c)] = true
	}
	return len(pairs)
}

func pairOf(c connectivity.Connection) string { return c.From.String() + " " + c.To.String() }
