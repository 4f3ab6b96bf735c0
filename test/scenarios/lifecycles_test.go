package scenarios

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook"
)

// The groups of stories, by the words that they begin with.
const (
	passes    = "Passes"
	refused   = "Refused"
	byDesign  = "Refused by design"
	hasToWait = "Has to wait"
)

// TestLifecycles plays the stories of lifecycles: what workloads go through in a
// cluster that is full of old holes, and what must not slip through beside it.
func TestLifecycles(t *testing.T) {
	files, err := filepath.Glob("lifecycles/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := readStory(t, a)
			got := s.play(t)
			if *update {
				(&scenario{}).rewrite(t, file, a, got)
				return
			}
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", s.title, diff)
			}
		})
	}
}

// story is a cluster and what is done to it, step by step.
type story struct {
	group, title string
	steps        []step
	want         string

	engine   *guardrail.Engine
	custom   []cluster.Custom
	objects  map[string]*manifest.Object // by ref
	snapshot *cluster.Snapshot
	memory   *cluster.Memory
	now      time.Time
}

// readStory reads a story. Its cluster is that of lifecycles/cluster.yaml with the
// objects of its own cluster.yaml applied to it.
func readStory(t *testing.T, a *txtar.Archive) *story {
	t.Helper()
	s := &story{objects: map[string]*manifest.Object{}, now: now}
	s.group, s.title, _ = strings.Cut(firstLine(string(a.Comment)), ": ")
	if !slices.Contains([]string{passes, refused, byDesign, hasToWait}, s.group) {
		t.Fatalf("the story begins with %q", s.group)
	}
	if !strings.Contains(string(a.Comment), "\nWhy: ") {
		t.Fatal("the story does not say why")
	}
	var own []byte
	config := file(t, "lifecycles/guardrails.yaml")
	for _, f := range a.Files {
		switch f.Name {
		case "cluster.yaml":
			own = f.Data
		case "guardrails.yaml":
			config = f.Data
		case "want":
			s.want = string(f.Data)
		default:
			s.steps = append(s.steps, readStep(t, f))
		}
	}
	s.snapshot = &cluster.Snapshot{}
	for _, text := range [][]byte{file(t, "lifecycles/cluster.yaml"), own} {
		if text == nil {
			continue
		}
		for i, objects := 0, load(t, text).Objects; i < len(objects); i++ {
			s.objects[objects[i].Ref().String()] = &objects[i]
			var err error
			if s.snapshot, err = s.snapshot.Apply(cluster.Change{After: objects[i].Model}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.memory = cluster.NewMemory(s.snapshot, cluster.DefaultMemoryLimits())
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	c, err := guardrail.ParseConfig("guardrails.yaml", config)
	if err != nil {
		t.Fatal(err)
	}
	if s.engine, err = guardrail.New(library, c); err != nil {
		t.Fatal(err)
	}
	s.custom = c.Custom()
	return s
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// play goes through the steps and tells what each was told.
func (s *story) play(t *testing.T) string {
	t.Helper()
	var told strings.Builder
	controls := 0
	for i, step := range s.steps {
		fmt.Fprintf(&told, "%s:\n", step.name)
		if step.passes > 0 {
			s.now = s.now.Add(step.passes)
			s.memory = s.memory.After(s.snapshot, s.now)
		}
		for _, c := range step.changes {
			for _, control := range step.controls {
				answer := s.control(t, step, c, control)
				fmt.Fprintf(&told, "  control, %s: %s\n", control, answer.summary())
				if answer.allowed() {
					t.Errorf("%s: %s passes %s, too: nothing was at stake", step.name, s.subject(c), control)
				}
				controls++
			}
			if step.unjudged {
				fmt.Fprintf(&told, "  %s: not asked\n", s.subject(c))
				s.apply(t, step, c)
				continue
			}
			answer := s.judge(t, s.snapshot.WithMemory(s.memory), step, c)
			fmt.Fprintf(&told, "  %s: %s\n", s.subject(c), answer.text())
			s.check(t, step, i == len(s.steps)-1, answer)
			if answer.allowed() && !step.alone {
				s.apply(t, step, c)
			}
			if step.alone {
				controls++
			}
		}
	}
	if s.group == passes && controls == 0 {
		t.Error("the story has no control: it may pass because nothing is at stake")
	}
	return told.String()
}

// check compares an answer with what the story says.
func (s *story) check(t *testing.T, step step, last bool, a answer) {
	t.Helper()
	if step.alone && !a.allowed() {
		return // one that has to wait does not pass, either
	}
	wanted := passes
	switch {
	case step.alone, step.refused:
		wanted = refused
	case last && s.group != passes:
		wanted = s.group
	}
	got := passes
	switch {
	case a.waits(), wanted == hasToWait && a.again():
		got = hasToWait
	case !a.allowed():
		got = refused
	}
	if wanted == byDesign {
		wanted = refused
	}
	if got != wanted {
		t.Errorf("%s: %s, want %q; the answer is\n%s", step.name, s.title, wanted, a.text())
	}
}

// control judges a variation of a change.
func (s *story) control(t *testing.T, step step, c change, how string) answer {
	t.Helper()
	with := s.snapshot.WithMemory(s.memory)
	switch how {
	case "without owners":
		return s.judge(t, with, step, change{object: stranger(t, c.object, false)})
	case "under another name":
		return s.judge(t, with, step, change{object: stranger(t, c.object, true)})
	case "without memory":
		return s.judge(t, s.snapshot.WithMemory(cluster.NewMemory(s.snapshot, cluster.DefaultMemoryLimits())), step, c)
	case "not believed":
		step.believed = false
		return s.judge(t, with, step, c)
	}
	t.Fatalf("%s: no control is called %q", step.name, how)
	return answer{}
}

func (s *story) subject(c change) string {
	if c.object == nil {
		return "delete " + c.delete
	}
	if _, ok := s.objects[c.object.Ref().String()]; ok {
		return "update " + c.object.Ref().String()
	}
	return "create " + c.object.Ref().String()
}

// judge sends a change through the webhook.
func (s *story) judge(t *testing.T, snapshot *cluster.Snapshot, step step, c change) answer {
	t.Helper()
	judge := webhook.NewJudge(webhook.JudgeOptions{
		Evaluator: s.engine, Model: model{snapshot}, Mode: webhook.Enforce, Claims: claims(step.believed), Custom: s.custom, Remember: true,
		EvaluationTime: time.Minute, // a busy machine is no verdict
		Log:            slog.New(slog.DiscardHandler),
		Now:            func() time.Time { return s.now },
	})
	before, after := s.ends(t, c)
	about, operation := after, admissionv1.Create
	switch {
	case after == nil:
		about, operation = before, admissionv1.Delete
	case before != nil:
		operation = admissionv1.Update
	}
	r := admissionRequest(about, operation)
	r.UserInfo.Username = step.by
	if before != nil {
		r.OldObject = runtime.RawExtension{Raw: before.JSON}
	}
	if after != nil {
		r.Object = runtime.RawExtension{Raw: after.JSON}
	}
	return answer{judge.Handle(context.Background(), admission.Request{AdmissionRequest: r})}
}

// ends are the object of a change before and after it.
func (s *story) ends(t *testing.T, c change) (before, after *manifest.Object) {
	t.Helper()
	if c.object != nil {
		return s.objects[c.object.Ref().String()], c.object
	}
	before, ok := s.objects[c.delete]
	if !ok {
		t.Fatalf("delete: there is no %s", c.delete)
	}
	return before, nil
}

// apply makes the change, as the watch of the API server would tell of it.
func (s *story) apply(t *testing.T, step step, c change) {
	t.Helper()
	before, after := s.ends(t, c)
	var change cluster.Change
	if before != nil {
		change.Before = before.Model
	}
	switch {
	case after != nil:
		change.After = after.Model
		s.objects[after.Ref().String()] = after
	case before.Kind == "Namespace":
		ns := *before.Model.(*cluster.Namespace)
		ns.DeletedAt = s.now
		change.After = &ns
	case step.held:
		return
	default:
		delete(s.objects, c.delete)
	}
	next, err := s.snapshot.Apply(change)
	if err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	s.snapshot, s.memory = next, s.memory.After(next, s.now)
}

// answer is what the webhook says.
type answer struct{ admission.Response }

func (a answer) allowed() bool { return a.Allowed }

// waits reports whether the same change passes a little later.
func (a answer) waits() bool {
	return !a.Allowed && strings.Contains(a.Result.Message, " has to wait: ")
}

// again reports whether it may, for all that is known: one that waits for what is made
// up never does.
func (a answer) again() bool { return !a.Allowed && a.Result.Code == http.StatusTooManyRequests }

func (a answer) text() string {
	var b strings.Builder
	for _, w := range a.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	if a.Allowed {
		return b.String() + "allowed"
	}
	return b.String() + strings.ReplaceAll(a.Result.Message, "\n", "\n    ")
}

// summary is which guardrails refuse.
func (a answer) summary() string {
	if a.Allowed {
		return "allowed"
	}
	var names []string
	for line := range strings.Lines(a.Result.Message) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "["), "] "); ok && strings.HasPrefix(line, "[") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if a.again() {
		return "refused, and may be tried again"
	}
	return "refused by " + strings.Join(names, ", ")
}
