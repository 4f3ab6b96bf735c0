package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/gatekeeper"
	"github.com/podcullis/podcullis/policies"
	"github.com/podcullis/podcullis/webhook"
)

// guardrailFiles are the configuration and the Rego that the engine runs, and
// the watch that reloads them.
type guardrailFiles struct {
	config     string
	policyDirs []string
	period     time.Duration
	log        *slog.Logger

	// mu is held by whoever changes what is in force.
	mu sync.Mutex
	// file is what the files say; resources, if not nil, has what objects say beside it.
	file      fileGuardrails
	resources *customResources
	beside    string // what of objects is in force, by its digest

	engine    *guardrail.Engine
	idle      []string               // templates that nothing uses; mu is held
	set       atomic.Pointer[string] // what tells the guardrails in force from others
	custom    []cluster.Custom       // those of the first configuration: they are followed from the start
	documents []schema.GroupKind     // of which whole objects are kept from the start
	entries   bool                   // whether it needs Services, Ingresses and routes, which are then followed from the start
	digest    [sha256.Size]byte
	bundle    *bundle.Bundle // that both are from, instead of files
	reloads   *prometheus.CounterVec
	good      prometheus.Gauge
}

// loadGuardrails loads them from a bundle, or, if that is nil, from files.
func loadGuardrails(o *options, from *bundle.Bundle, log *slog.Logger, registry prometheus.Registerer) (*guardrailFiles, error) {
	f := &guardrailFiles{
		config: o.config, policyDirs: o.policyDirs, period: o.reloadPeriod, log: log, bundle: from,
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podcullis_reloads_total",
			Help: "Reloads of the configuration and guardrails, by result: success or failure.",
		}, []string{"result"}),
		good: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "podcullis_last_reload_successful",
			Help: "1 when the newest configuration and guardrails are in force, 0 when they did not load, or not yet, and older ones are.",
		}),
	}
	for _, result := range []string{"success", "failure"} {
		f.reloads.WithLabelValues(result) // increase() sees the first only if there was a 0
	}
	registry.MustRegister(f.reloads, f.good)
	f.digest = f.read()
	set := f.contents()
	library, config, err := f.load()
	if err != nil {
		return nil, err
	}
	f.custom = config.Custom()
	if f.engine, err = guardrail.New(library, config); err != nil {
		return nil, err
	}
	f.entries, f.documents = f.engine.NeedsEntries(), library.Documents()
	f.file = fileGuardrails{library, config, set}
	f.idle = library.Idle()
	f.set.Store(&set)
	f.good.Set(1)
	f.tell()
	return f, nil
}

// tell says what the guardrails in force leave unproved.
func (f *guardrailFiles) tell() {
	for _, u := range f.engine.Unproved() {
		reasons := any(u.Reasons)
		if len(u.Reasons) == 0 {
			reasons = "all"
		}
		f.log.Info("a guardrail leaves unproved what is unknown", "guardrail", u.Guardrail, "countsAs", u.Counts, "reasons", reasons)
	}
	f.mu.Lock()
	idle := f.idle
	f.mu.Unlock()
	for _, text := range slices.Concat(idle, f.engine.Beyond(webhook.Asked)) {
		f.log.Warn("what is written for Gatekeeper does less than it says", "note", text)
	}
}

func (f *guardrailFiles) load() (*guardrail.Library, *guardrail.Config, error) {
	sources := []guardrail.Source{{Name: guardrail.Embedded, FS: policies.FS}}
	if f.bundle != nil {
		return f.bundle.Load(sources...)
	}
	for _, dir := range f.policyDirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, nil, fmt.Errorf("--policy-dir %s: is not a readable directory", dir)
		}
		sources = append(sources, guardrail.Source{Name: dir, FS: os.DirFS(dir)})
	}
	library, err := guardrail.LoadLibrary(sources...)
	if err != nil {
		return nil, nil, err
	}
	name, text := "default configuration", guardrail.DefaultConfig
	if f.config != "" {
		name = f.config
		if text, err = os.ReadFile(f.config); err != nil {
			return nil, nil, fmt.Errorf("--config: %w", err)
		}
	}
	config, err := guardrail.ParseConfig(name, text)
	return library, config, err
}

// watch reloads when a file has changed, until ctx ends. What does not load
// leaves the guardrails in force that were.
func (f *guardrailFiles) watch(ctx context.Context) {
	if f.config == "" && len(f.policyDirs) == 0 {
		return
	}
	tick := time.NewTicker(f.period)
	defer tick.Stop()
	again, said := false, "" // objects kept the files out, which may be mended
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		digest := f.read()
		if digest == f.digest && !again {
			continue
		}
		if digest != f.digest {
			f.digest, said = digest, ""
		}
		f.good.Set(0) // until they are in force: to compile Rego can take without end
		done := make(chan error, 1)
		go func() { done <- f.reload() }()
		var err error
		select {
		case <-ctx.Done():
			return
		case err = <-done:
		}
		again = errors.Is(err, errObjects)
		if err != nil && err.Error() == said {
			continue
		}
		if err != nil {
			said = err.Error()
			f.reloads.WithLabelValues("failure").Inc()
			f.log.Error("guardrails not reloaded, the previous ones stay in force", "error", err)
			continue
		}
		said = ""
		f.reloads.WithLabelValues("success").Inc()
		f.good.Set(1)
		f.log.Info("guardrails reloaded", "guardrails", f.engine.Guardrails())
		f.tell()
	}
}

func (f *guardrailFiles) reload() error {
	set := f.contents()
	library, config, err := f.load()
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(config.Custom(), f.custom) {
		return errExtraWorkloads
	}
	for _, kind := range library.Documents() {
		if !slices.Contains(f.documents, kind) {
			if _, err := guardrail.New(library, config); err != nil {
				return err // else a restart would be advised that ends with this error
			}
			return fmt.Errorf("a template reads whole objects of %s as data.inventory or namespaceObject, and these are not kept: what is kept is chosen at the start, so %w", kind, errDocuments)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.install(fileGuardrails{library, config, set})
}

// fileGuardrails are what the files say, and what tells that from anything else.
type fileGuardrails struct {
	library *guardrail.Library
	config  *guardrail.Config
	set     string
}

// install puts in force what files say, and what objects say beside it. On an error all stays
// as it was. mu is held.
func (f *guardrailFiles) install(file fileGuardrails) error {
	config, digest, took, err := f.resources.beside(file, f.entries)
	if err != nil {
		return fmt.Errorf("%w: %w", errObjects, err)
	}
	if file == f.file && digest == f.beside { // nobody compiles anew what was only approved, or labelled
		took()
		return nil
	}
	into := f.engine.Reload
	if !f.entries {
		into = f.engine.ReloadWithoutEntries
	}
	if err := into(file.library, config); errors.Is(err, guardrail.ErrNeedsEntries) {
		return fmt.Errorf("%w, and these are not watched: what is watched is chosen at the start, so restart podcullis-webhook (with the chart, helm upgrade does)", err)
	} else if err != nil && digest != "" { // the files alone are right, or would not have come so far
		return fmt.Errorf("%w: %w", errObjects, err)
	} else if err != nil {
		return err
	}
	f.file, f.beside = file, digest
	f.idle = file.library.Idle()
	set := file.set + digest
	f.set.Store(&set)
	took()
	return nil
}

// replace puts a bundle in force, or, on an error, leaves what is. Nobody else reloads
// where there are bundles.
func (f *guardrailFiles) replace(with *bundle.Bundle) error {
	was := f.bundle
	f.bundle = with
	err := f.reload()
	if err != nil {
		f.bundle = was
	}
	switch {
	case errors.Is(err, errExtraWorkloads), errors.Is(err, errDocuments), errors.Is(err, guardrail.ErrNeedsEntries):
		return &bundle.Refusal{Reason: bundle.Restart, Err: err}
	case err != nil:
		return &bundle.Refusal{Reason: bundle.Invalid, Err: err}
	}
	return nil
}

// contents tells guardrails and their configuration from any others, whatever the names
// of the files: replicas with the same ones have the same.
func (f *guardrailFiles) contents() string {
	h := sha256.New()
	add := func(of fs.FS, name string) {
		text, _ := fs.ReadFile(of, name)
		fmt.Fprintf(h, "%s %d\n", name, len(text))
		h.Write(text)
	}
	rego := func(of fs.FS) {
		_ = fs.WalkDir(of, ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || (d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".")):
				return fs.SkipDir
			case !d.IsDir() && isGuardrail(name):
				add(of, name)
			}
			return nil
		})
	}
	rego(policies.FS)
	if f.bundle != nil {
		fmt.Fprintln(h, "bundle", f.bundle.Digest)
	}
	for _, dir := range f.policyDirs {
		fmt.Fprintln(h, "dir")
		rego(os.DirFS(dir))
	}
	if f.config != "" {
		add(os.DirFS(filepath.Dir(f.config)), filepath.Base(f.config))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// errExtraWorkloads is for a change that takes other watches.
var errExtraWorkloads = errors.New("extraWorkloads has changed: what is watched is chosen at the start, so restart podcullis-webhook (with the chart, helm upgrade does)")

// errObjects is for files that are right, with which custom resources cannot be in force: the
// same files may go when these are mended.
var errObjects = errors.New("custom resources do not go with it")

// errDocuments is for a template that reads whole objects which are not kept.
var errDocuments = errors.New("restart podcullis-webhook (with the chart, helm upgrade does)")

// read digests the files. One that cannot be read counts by its error, so that
// its coming back is noticed.
func (f *guardrailFiles) read() [sha256.Size]byte {
	h := sha256.New()
	add := func(path string) {
		text, err := os.ReadFile(path)
		fmt.Fprintf(h, "%s %d %v\n", path, len(text), err)
		h.Write(text)
	}
	if f.config != "" {
		add(f.config)
	}
	for _, dir := range f.policyDirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && isGuardrail(path) {
				add(path)
			}
			return nil
		})
		fmt.Fprintln(h, dir, err)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// isGuardrail tells whether a file of a directory of guardrails may hold one.
func isGuardrail(name string) bool {
	return strings.HasSuffix(name, ".rego") || gatekeeper.IsManifest(filepath.ToSlash(name))
}
