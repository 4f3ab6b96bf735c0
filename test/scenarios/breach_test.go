package scenarios

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/tools/txtar"

	"github.com/podcullis/podcullis/breach"
	"github.com/podcullis/podcullis/cluster"
)

// following is a model for a watcher that looks when it is told to.
type following struct{ *story }

func (f following) Snapshot() *cluster.Snapshot { return f.snapshot.WithMemory(f.memory) }

func (f following) WaitFor(_ context.Context, condition func(*cluster.Snapshot) bool) bool {
	return condition(f.Snapshot())
}

func (f following) Journal() []cluster.Written { return nil }

// notTold are changes that admission refuses because of who makes them, which nobody can
// tell afterwards: they are counted, as depending on an owner.
var notTold = map[string]bool{
	"claim-and-labels-in-one-update":      true,
	"claim-first-labels-later":            true,
	"memory-without-the-claim":            true,
	"owner-of-a-made-up-kind":             true,
	"replicaset-claims-a-custom-resource": true,
}

// onlooker is a watcher, and what it told of since it looked last.
type onlooker struct {
	*breach.Watcher
	judged *cluster.Snapshot
	told   []breach.Breach
}

func newOnlooker(s *story) *onlooker {
	o := &onlooker{judged: following{s}.Snapshot()}
	o.Watcher = breach.New(breach.Options{
		Model: following{s}, InForce: s.engine.InForce, Tell: func(b breach.Breach) { o.told = append(o.told, b) },
		Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	return o
}

func (o *onlooker) look(t *testing.T) []breach.Breach {
	t.Helper()
	o.told = nil
	o.judged = o.Look(t.Context(), o.judged)
	return o.told
}

// TestLifecyclesSeenAfterwards plays the stories once more, beside watchers that see only
// what becomes of the cluster. They tell of nothing that admission allows, be it that one
// looks after each change or only at the end; and what is refused and gets in all the same
// they tell of.
func TestLifecyclesSeenAfterwards(t *testing.T) {
	files, err := filepath.Glob("lifecycles/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			readStory(t, a).playBeside(t, name)
		})
	}
}

func (s *story) playBeside(t *testing.T, name string) {
	often, seldom := newOnlooker(s), newOnlooker(s)
	allowed := func(what string, found []breach.Breach) {
		for _, b := range found {
			t.Errorf("%s is allowed, and told: %s", what, breach.Note(b))
		}
	}
	for _, step := range s.steps {
		if step.alone {
			continue
		}
		if step.passes > 0 {
			s.now = s.now.Add(step.passes)
			s.memory = s.memory.After(s.snapshot, s.now)
			for _, o := range []*onlooker{often, seldom} { // the model looks its memory through all the time
				o.judged = o.judged.WithMemory(s.memory)
			}
		}
		for _, c := range step.changes {
			what := step.name + ": " + s.subject(c)
			refused := !step.unjudged && !s.judge(t, s.snapshot.WithMemory(s.memory), step, c).allowed()
			if refused {
				allowed("what comes before "+what, seldom.look(t))
			}
			s.apply(t, step, c)
			found := often.look(t)
			if !refused {
				allowed(what, found)
				continue
			}
			if both := len(found) > 0 && len(seldom.look(t)) > 0; both == notTold[name] {
				t.Errorf("%s is refused and gets in: told %t", what, both)
			}
		}
	}
	allowed("all of it", seldom.look(t))
}
