package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/customresource"
	resourceslive "github.com/podcullis/podcullis/customresource/live"
	"github.com/podcullis/podcullis/customresource/v1alpha1"
	"github.com/podcullis/podcullis/guardrail"
)

// told is a follower that knows what a test says.
type told struct {
	mu  sync.Mutex
	all customresource.Objects
}

func (*told) Changed() <-chan struct{} { return nil }

func (*told) Listed() error { return nil }

func (o *told) Objects(time.Duration) customresource.Objects {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all
}

func (o *told) say(all customresource.Objects) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = all
}

func object(name, uses string) *v1alpha1.Guardrail {
	return &v1alpha1.Guardrail{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name + uses), Generation: 1},
		Spec:       v1alpha1.GuardrailSpec{Guardrail: uses, Action: "deny", Exemptible: true},
	}
}

// withResources are the default guardrails, and those of a directory, with objects beside them.
func withResources(t *testing.T, dirs []string, log *slog.Logger) (*guardrailFiles, *told) {
	t.Helper()
	f, err := loadGuardrails(&options{policyDirs: dirs, reloadPeriod: time.Millisecond}, nil, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	writer, err := resourceslive.NewWriter(&rest.Config{Host: "http://127.0.0.1:1"}, resourceslive.WriterOptions{Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	follower := &told{}
	f.resources = &customResources{
		follower: follower, writer: writer, log: log, now: func() time.Time { return time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC) }, set: customresource.NewSet(),
	}
	return f, follower
}

// inForce is what the engine has.
func inForce(f *guardrailFiles) (config *guardrail.Config) {
	_ = f.engine.Extend(func(_ *guardrail.Library, c *guardrail.Config) (*guardrail.Config, error) {
		config = c
		return nil, errors.New("nothing is changed")
	})
	return config
}

// What could not be put in force is tried again, although no object changes any more: that
// nobody confirms the exemptions above all.
func TestWhatObjectsSayIsTriedAgain(t *testing.T) {
	var log bytes.Buffer
	f, follower := withResources(t, nil, slog.New(slog.NewTextHandler(&log, nil)))
	p := pendingResources{files: f, pending: true}
	right := customresource.Objects{
		Guardrails: []*v1alpha1.Guardrail{object("mine", "default-deny")},
		Exemptions: []*v1alpha1.Exemption{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "move", Generation: 1},
			Spec:       v1alpha1.ExemptionSpec{Guardrails: []string{"mine"}, Reason: "r", Expires: "2099-01-31", RequestedBy: "ann"},
			Status:     v1alpha1.ExemptionStatus{Approval: &v1alpha1.Approval{By: "bob", Generation: 1}},
		}},
	}
	follower.say(right)
	p.settle()
	if n := len(inForce(f).Exemptions); n != 1 || f.resources.outcome.Load() == nil {
		t.Fatalf("%d exemptions are in force, want 1:\n%s", n, log.String())
	}
	bad := right
	bad.Unconfirmed = "nobody answers"
	bad.Guardrails = append(bad.Guardrails, object("mine", "no-host-network")) // of one name, which no API server has
	follower.say(bad)
	for range 3 {
		p.settle()
	}
	if n := strings.Count(log.String(), "is not in force"); n != 1 {
		t.Errorf("a failure is logged %d times:\n%s", n, log.String())
	}
	right.Unconfirmed = bad.Unconfirmed
	follower.say(right)
	p.settle()
	if n := len(inForce(f).Exemptions); n != 0 {
		t.Errorf("%d exemptions are in force that nobody confirms", n)
	}
}

// What was approved, labelled or told in a status compiles nothing anew.
func TestWhatChangesNothingIsNotCompiled(t *testing.T) {
	f, follower := withResources(t, nil, slog.New(slog.DiscardHandler))
	install := func() *guardrail.Config {
		t.Helper()
		if err := f.install(f.file); err != nil {
			t.Fatal(err)
		}
		return inForce(f)
	}
	follower.say(customresource.Objects{Guardrails: []*v1alpha1.Guardrail{object("mine", "default-deny")}})
	was := install()
	before := f.resources.outcome.Load()
	if install() != was {
		t.Error("the same is compiled again")
	}
	if f.resources.outcome.Load() == before {
		t.Error("what became of the objects is not told anew")
	}
	other := object("mine", "default-deny")
	other.Spec.Action, other.Generation = "warn", 2
	follower.say(customresource.Objects{Guardrails: []*v1alpha1.Guardrail{other}})
	if install() == was {
		t.Error("a change is not in force")
	}
}

// Files with which a guardrail of an object would fall out are refused, and tried again: the
// object may be mended, or taken away.
func TestFilesDoNotPutAnObjectOutOfForce(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.rego")
	rego := "# METADATA\n# title: Mine\n# description: Mine\n# custom:\n#   severity: low\n#   kinds: [Pod]\npackage guardrails.mine\n\nviolation contains {\"msg\": \"x\"} if input.request.name == \"x\"\n"
	if err := os.WriteFile(file, []byte(rego), 0o600); err != nil {
		t.Fatal(err)
	}
	f, follower := withResources(t, []string{dir}, slog.New(slog.DiscardHandler))
	follower.say(customresource.Objects{Guardrails: []*v1alpha1.Guardrail{object("of-mine", "mine")}})
	if err := f.install(f.file); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	err := f.reload()
	if !errors.Is(err, errObjects) || !strings.Contains(err.Error(), "Guardrail of-mine: spec.guardrail: ") {
		t.Fatalf("want an error that names the object and why, got %v", err)
	}
	if all := f.engine.Guardrails(); !strings.Contains(strings.Join(all, " "), "of-mine") {
		t.Errorf("in force: %v", all)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.watch(ctx) }()
	defer func() { cancel(); <-ended }()
	await := func(result string) {
		t.Helper()
		for testutil.ToFloat64(f.reloads.WithLabelValues(result)) == 0 {
			select {
			case <-t.Context().Done():
				t.Fatal("no reload ends in " + result)
			case <-time.After(time.Millisecond):
			}
		}
	}
	await("failure")
	follower.say(customresource.Objects{})
	await("success")
	if n := testutil.ToFloat64(f.reloads.WithLabelValues("failure")); n != 1 {
		t.Errorf("one failure is told %v times", n)
	}
}

// Files are told of while objects are put in force; the race detector looks on.
func TestFilesAreToldOfBesideObjects(t *testing.T) {
	f, follower := withResources(t, nil, slog.New(slog.DiscardHandler))
	follower.say(customresource.Objects{Guardrails: []*v1alpha1.Guardrail{object("mine", "default-deny")}})
	var wait sync.WaitGroup
	wait.Go(f.tell)
	wait.Go(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if err := f.install(f.file); err != nil {
			t.Error(err)
		}
	})
	wait.Wait()
}
