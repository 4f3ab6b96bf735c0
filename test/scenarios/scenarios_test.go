package scenarios

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook"
)

var update = flag.Bool("update", false, "rewrite the want section of every scenario")

// now is when every scenario takes place.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := read(t, a)
			got := s.admit(t)
			want := s.want
			if *update {
				want = got
				s.rewrite(t, file, a, got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", strings.TrimSpace(string(a.Comment)), diff)
			}
			if deny := strings.HasPrefix(string(a.Comment), "Refused"); deny == strings.HasSuffix(got, "allowed\n") {
				t.Errorf("the story says %q, but the decision is:\n%s", firstLine(string(a.Comment)), got)
			}
			if s.before == nil && s.user.Username == "" && !strings.HasSuffix(got, "allowed\n") {
				s.checkCLI(t, got)
			}
		})
	}
}

// scenario is one change to one cluster, and what is said about it.
type scenario struct {
	cluster       *manifest.Set
	snapshot      *cluster.Snapshot
	engine        *guardrail.Engine
	custom        []cluster.Custom
	before, after *manifest.Object // nil before: created, nil after: deleted
	user          authenticationv1.UserInfo
	want          string
}

func read(t *testing.T, a *txtar.Archive) *scenario {
	t.Helper()
	sections := map[string][]byte{}
	for _, f := range a.Files {
		sections[f.Name] = f.Data
	}
	s := &scenario{cluster: load(t, sections["cluster.yaml"]), want: string(sections["want"])}
	var err error
	if s.snapshot, err = s.cluster.Snapshot(); err != nil {
		t.Fatal(err)
	}
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		t.Fatal(err)
	}
	config, err := guardrail.ParseConfig("guardrails.yaml", sections["guardrails.yaml"])
	if err != nil {
		t.Fatal(err)
	}
	s.custom = config.Custom()
	if s.engine, err = guardrail.New(library, config); err != nil {
		t.Fatal(err)
	}
	if who := strings.Fields(string(sections["user"])); len(who) > 0 { // a name, and groups
		s.user = authenticationv1.UserInfo{Username: who[0], Groups: who[1:]}
	}
	if gone, ok := sections["delete"]; ok {
		s.before = s.lookup(strings.TrimSpace(string(gone)))
		if s.before == nil {
			t.Fatalf("delete: no object %s in cluster.yaml", gone)
		}
		return s
	}
	s.after = &load(t, sections["change.yaml"]).Objects[0]
	s.before = s.lookup(s.after.Ref().String())
	return s
}

func load(t *testing.T, text []byte) *manifest.Set {
	t.Helper()
	set, err := manifest.Read(manifest.Input{Sources: []string{"-"}, Stdin: bytes.NewReader(text), Entries: true})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (s *scenario) lookup(ref string) *manifest.Object {
	i := slices.IndexFunc(s.cluster.Objects, func(o manifest.Object) bool { return o.Ref().String() == ref })
	if i < 0 {
		return nil
	}
	return &s.cluster.Objects[i]
}

// admit sends the change through the webhook, and gives the words of its answer.
func (s *scenario) admit(t *testing.T) string {
	t.Helper()
	judge := webhook.NewJudge(webhook.JudgeOptions{
		Evaluator: s.engine, Model: model{s.snapshot}, Mode: webhook.Enforce, Custom: s.custom, Entries: s.engine.NeedsEntries,
		EvaluationTime: time.Minute, // a busy machine is no verdict
		Log:            slog.New(slog.DiscardHandler),
		Now:            func() time.Time { return now },
	})
	response := judge.Handle(context.Background(), admission.Request{AdmissionRequest: s.request()})
	var b strings.Builder
	for _, w := range response.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	if response.Allowed {
		return b.String() + "allowed\n"
	}
	return b.String() + response.Result.Message + "\n"
}

func (s *scenario) request() admissionv1.AdmissionRequest {
	about, operation := s.after, admissionv1.Create
	switch {
	case s.after == nil:
		about, operation = s.before, admissionv1.Delete
	case s.before != nil:
		operation = admissionv1.Update
	}
	r := admissionRequest(about, operation)
	r.UserInfo = s.user
	if s.before != nil {
		r.OldObject = runtime.RawExtension{Raw: s.before.JSON}
	}
	if s.after != nil {
		r.Object = runtime.RawExtension{Raw: s.after.JSON}
	}
	return r
}

func admissionRequest(o *manifest.Object, operation admissionv1.Operation) admissionv1.AdmissionRequest {
	namespace := o.Namespace
	if o.Kind == "Namespace" {
		namespace = o.Name // as the API server sends it
	}
	return admissionv1.AdmissionRequest{
		UID:       "scenario",
		Kind:      metav1.GroupVersionKind{Group: o.Group, Version: o.Version, Kind: o.Kind},
		Namespace: namespace, Name: o.Name, Operation: operation,
	}
}

// checkCLI judges the state after the change as the command line does: every
// object as if it had just been created. What is refused at admission must be
// found there in the same words.
func (s *scenario) checkCLI(t *testing.T, refused string) {
	t.Helper()
	objects := append(slices.Clone(s.cluster.Objects), *s.after)
	after, err := s.snapshot.Apply(cluster.Change{After: s.after.Model})
	if err != nil {
		t.Fatal(err)
	}
	var reviews []guardrail.Review
	for i := range objects {
		r := admissionRequest(&objects[i], admissionv1.Create)
		r.Object = runtime.RawExtension{Raw: objects[i].JSON}
		reviews = append(reviews, guardrail.Review{
			Request: &r, Change: cluster.Change{After: objects[i].Model}, Origin: guardrail.CLI, Time: now,
		})
	}
	decisions, err := s.engine.EvaluateAll(context.Background(), &cluster.Snapshot{}, after, reviews)
	if err != nil {
		t.Fatal(err)
	}
	// What others could do before is found, too, and may be one with what is refused.
	var found []string
	for _, d := range decisions {
		for _, v := range d.Violations {
			found = append(found, fmt.Sprintf("[%s] %s", v.Guardrail, v.Summary()))
		}
	}
	foundWith := func(line string) bool {
		guardrail, about, _ := strings.Cut(line, "] ")
		subject, rest, _ := strings.Cut(about, " ")
		return slices.ContainsFunc(found, func(f string) bool {
			return strings.HasPrefix(f, guardrail+"] ") && strings.HasSuffix(f, " "+rest) && strings.Contains(f, subject)
		})
	}
	for line := range strings.Lines(refused) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "[") && !foundWith(line) && !foundWith(sureOf.Replace(line)) {
			t.Errorf("admission says %q, the command line does not; it finds:\n%s", line, strings.Join(found, "\n"))
		}
	}
}

// sureOf says for certain what admission only doubts because another policy API may
// have kept the path shut before: the command line takes the empty cluster for before.
var sureOf = strings.NewReplacer(" may be able to reach ", " could reach ", ": not proved shut (unmodelled-kind)", "")

func (s *scenario) rewrite(t *testing.T, file string, a *txtar.Archive, got string) {
	t.Helper()
	i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
	if i < 0 {
		a.Files = append(a.Files, txtar.File{Name: "want"})
		i = len(a.Files) - 1
	}
	a.Files[i].Data = []byte(got)
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

// model is a cluster that does not move.
type model struct{ snapshot *cluster.Snapshot }

func (m model) Snapshot() *cluster.Snapshot { return m.snapshot }

func (m model) WaitFor(_ context.Context, condition func(*cluster.Snapshot) bool) bool {
	return condition(m.snapshot)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
