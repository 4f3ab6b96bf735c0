package ledger

import (
	"flag"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	simulate = flag.Int("simulate", 3000, "interleavings of the simulator")
	seedFlag = flag.Uint64("simulate.seed", 1, "the first seed")
)

// broken is a rule that is taken away: of the core, or of the webhook that uses it.
type broken struct {
	flaws
	window, barrier, appear time.Duration
	settleByAbsence         bool
	bindVersion             bool // a Binding is a version of its pod
	mentioned               bool // only labels that a netpol mentions are written
	podThere                bool // a pod of a class that is there needs no entry
	classPending            bool // nor one of a class that is in flight
	remembered              time.Duration
	otherNamespaces         bool // entries of other namespaces are overlooked
	otherTier               bool // two ledgers, each with its own view
	selected                bool // pods in flight count only if a netpol selects them
	upperLessUpper          bool // all that may be open after, less all that may be open before
	noWorlds                bool
	uncompared              bool // a list is believed to be what the watch told of
	history                 bool // what a watch tells late is applied to what is newer
	// focus has every run go where the rule matters.
	focus func(*theme)
}

func (b *broken) overlooks(own Entry) func(Entry) bool {
	switch {
	case b.otherNamespaces:
		return func(e Entry) bool { return e.Place() != own.Place() }
	case b.otherTier:
		return func(e Entry) bool {
			return flaws{ownTier: true}.ignores(own, e)
		}
	}
	return nil
}

func newSim(seed uint64, b broken) *sim {
	rng := rand.New(rand.NewPCG(seed, 0x6c6564676572))
	s := &sim{rng: rng, theme: pick(rng), broken: b}
	if b.focus != nil {
		b.focus(&s.theme)
	}
	return s
}

// search runs interleavings until one is bad; it returns how many it took, 0 if none is.
func search(from uint64, n int, b broken) (seed uint64, tried int, what string, total counts) {
	workers := max(1, runtime.GOMAXPROCS(0))
	const chunk = 256
	type result struct {
		seed uint64
		what string
	}
	for done := 0; done < n; {
		size := min(n-done, chunk*workers)
		found := make([]result, 0)
		var mu sync.Mutex
		var group sync.WaitGroup
		for w := range workers {
			group.Go(func() {
				var sum counts
				for i := w; i < size; i += workers {
					s := newSim(from+uint64(done+i), b)
					if what := s.run(); what != "" {
						mu.Lock()
						found = append(found, result{from + uint64(done+i), what})
						mu.Unlock()
						break
					}
					sum.add(s.count)
				}
				mu.Lock()
				total.add(sum)
				mu.Unlock()
			})
		}
		group.Wait()
		if len(found) > 0 {
			first := slices.MinFunc(found, func(a, b result) int { return int(a.seed) - int(b.seed) })
			return first.seed, int(first.seed-from) + 1, first.what, total
		}
		done += size
	}
	return 0, 0, "", total
}

func (c *counts) add(o counts) {
	c.reviews += o.reviews
	c.allowed += o.allowed
	c.skipped += o.skipped
	c.denied += o.denied
	c.undecided += o.undecided
	c.persisted += o.persisted
	c.refusedLate += o.refusedLate
	c.busy += o.busy
	c.writes += o.writes
	c.judgements += o.judgements
}

// TestSimulator runs the ledger as it is: no subset of what it allowed opens a path.
func TestSimulator(t *testing.T) {
	began := time.Now()
	seed, tried, what, total := search(*seedFlag, *simulate, broken{})
	if *seedFlag > 1 && *simulate == 1 {
		tell(t, *seedFlag, broken{})
	}
	if tried > 0 {
		t.Errorf("seed %d, after %d interleavings: %s", seed, tried, what)
		tell(t, seed, broken{})
		return
	}
	t.Logf("%d interleavings in %v, none bad: %+v", *simulate, time.Since(began).Round(time.Millisecond), total)
}

// focuses are where single rules matter.
var focuses = map[string]func(*theme){
	"templates": func(o *theme) { o.templates = true },
	"brink":     func(o *theme) { o.templates, o.brink, o.replicas = true, true, 2 },
	"bindings":  func(o *theme) { o.bindings = true },
	"losses": func(o *theme) {
		o.losses, o.far, o.end, o.bookmarks, o.poll = 1, 120*time.Second, 130*time.Second, 2*time.Second, 3*time.Second
	},
	"passing": func(o *theme) {
		*o = theme{replicas: 2, end: 30 * time.Second, lag: time.Second, poll: 30 * time.Second, passing: true, calm: true}
	},
	"repeats": func(o *theme) { o.repeats, o.templates, o.bindings = true, false, false },
	"storm": func(o *theme) { // everything at once
		o.replicas, o.pauses, o.restarts, o.clocks, o.stalls, o.evictions, o.lost, o.noise = 3, 2, 3, 2, 3, 2, 30, 6
		o.losses, o.end, o.bookmarks, o.twice = 1, 250*time.Second, 20*time.Second, true
	},
	"twice": func(o *theme) {
		o.twice, o.lost, o.templates, o.bindings, o.repeats = true, 40, false, false, false
	},
}

// TestSimulatorWhereRulesMatter has all rules in force where each is needed most.
func TestSimulatorWhereRulesMatter(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(focuses)) {
		t.Run(name, func(t *testing.T) {
			b := broken{focus: focuses[name]}
			if seed, tried, what, _ := search(*seedFlag, max(300, *simulate/10), b); tried > 0 {
				t.Errorf("seed %d, after %d interleavings: %s", seed, tried, what)
				tell(t, seed, b)
			}
		})
	}
}

// TestOneOfThemGetsIn runs changes that exclude each other, on a calm day: the ledger must
// not keep all of them out.
func TestOneOfThemGetsIn(t *testing.T) {
	runs, last := 0, time.Duration(0)
	for seed := range uint64(2000) {
		s := newSim(seed+1, broken{focus: func(o *theme) {
			*o = theme{replicas: o.replicas, end: 30 * time.Second, lag: 10 * time.Millisecond, poll: 30 * time.Second, far: 5 * time.Millisecond, calm: true}
		}})
		if what := s.run(); what != "" {
			t.Fatalf("seed %d: %s", seed+1, what)
		}
		if !s.planned {
			continue
		}
		runs++
		if s.count.persisted == 0 {
			t.Errorf("seed %d: none of them", seed+1)
		}
		for kind := range s.log {
			if len(s.log[kind]) > 0 {
				last = max(last, s.log[kind][0].at-50*time.Millisecond)
			}
		}
	}
	t.Logf("%d races, the slowest first of them after %v", runs, last)
}

// tell prints a run.
func tell(t *testing.T, seed uint64, b broken) {
	t.Helper()
	s := newSim(seed, b)
	s.trace = func(line string) { t.Log(line) }
	t.Logf("theme %+v", s.theme)
	s.run()
}

// TestEveryRuleIsNeeded takes each rule away, and the simulator has to find that.
func TestEveryRuleIsNeeded(t *testing.T) {
	tests := []struct {
		name   string
		broken broken
	}{
		{"NoWorlds", broken{noWorlds: true}},
		{"UpperLessUpper", broken{upperLessUpper: true}},
		{"BindingIsAVersion", broken{bindVersion: true, focus: focuses["bindings"]}},
		{"OnlyMentionedLabels", broken{mentioned: true}},
		{"SkipsByAPodThatIsThere", broken{podThere: true}},
		{"SkipsByAClassInFlight", broken{classPending: true}},
		{"SkipsByWhatWasThereAMinuteAgo", broken{remembered: time.Minute}},
		{"NothingAppears", broken{appear: -1, focus: focuses["templates"]}},
		{"AppearFor30s", broken{appear: 30 * time.Second, focus: focuses["templates"]}},
		{"AppearFor80s", broken{appear: 80 * time.Second, focus: focuses["brink"]}},
		{"CreateSettledByName", broken{flaws: flaws{settleByName: true}}},
		{"SettledByAbsence", broken{settleByAbsence: true}},
		{"WindowOf30s", broken{window: 30 * time.Second}},
		{"NoFloors", broken{flaws: flaws{noFloors: true}}},
		{"CaughtUpUncompared", broken{uncompared: true}},
		{"CaughtUpAndBack", broken{history: true, focus: focuses["passing"]}},
		{"NoBarrier", broken{flaws: flaws{noBarrier: true}, focus: focuses["losses"]}},
		{"BarrierOf45s", broken{barrier: 45 * time.Second, focus: focuses["losses"]}},
		{"AllowedUnwritten", broken{flaws: flaws{allowUnwritten: true}}},
		{"LostAnswerIsSuccess", broken{flaws: flaws{lostIsSuccess: true}}},
		{"RetryUnwritten", broken{flaws: flaws{retryUnwritten: true}, focus: focuses["repeats"]}},
		{"ReadBackWithoutNonce", broken{flaws: flaws{anyNonce: true}, focus: focuses["repeats"]}},
		{"ARefusalFreesForAll", broken{flaws: flaws{forgetShared: true}, focus: focuses["twice"]}},
		{"ConflictNotJudgedAgain", broken{flaws: flaws{blindConflict: true}}},
		{"OnlyTheOwnNamespaceAfterAConflict", broken{flaws: flaws{sharedNamespace: true}}},
		{"OnlyTheOwnNamespace", broken{otherNamespaces: true}},
		{"OnlySelectedPods", broken{selected: true}},
		{"TwoLedgers", broken{otherTier: true}},
		{"TwoLedgersWriteSkew", broken{flaws: flaws{ownTier: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			_, tried, what, _ := search(*seedFlag, max(*simulate, 200_000), tt.broken)
			if tried == 0 {
				t.Error("the simulator does not find that the rule is gone")
				return
			}
			t.Logf("found after %d interleavings, %v: %s", tried, time.Since(began).Round(time.Millisecond), what)
		})
	}
}
