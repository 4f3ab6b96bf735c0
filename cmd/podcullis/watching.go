package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settling is how long nothing may change before tests are run again: an editor that saves
// writes, renames and deletes.
const settling = 100 * time.Millisecond

// unsettled is how long is waited where something changes all the time.
const unsettled = 2 * time.Second

// watched are the files that a run depends on.
type watched struct {
	*fsnotify.Watcher
	dirs   []string // with all below them
	files  []string
	except map[string]bool // files that the run itself writes
}

// errUnrun is when --watch ends before there is an answer.
var errUnrun = hint(errors.New("interrupted before the tests had run"), "leave --watch out to run them once")

// watchTests runs the tests, and again whenever a file changes, until it is interrupted: the
// answer is that of the last run.
func (p *program) watchTests(ctx context.Context, o *testOptions, args []string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	w, err := p.watched(o, args)
	if err != nil {
		return err
	}
	defer w.Close()
	last := errUnrun
	for seen := w.prints(); ; {
		err := p.testOnce(ctx, o, args)
		if ctx.Err() != nil && err != nil && !errors.Is(err, errViolations) {
			return last // which is whole
		}
		if last = err; err != nil && !errors.Is(err, errViolations) {
			p.sayError(err)
		}
		p.say("watching %s: Ctrl-C ends", strings.Join(append(slices.Clone(w.dirs), w.files...), ", "))
		changed, prints, err := w.wait(ctx, seen)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			if last != nil && !errors.Is(last, errViolations) {
				return hint(errors.New("the last run could not evaluate its tests"), "what is above says why")
			}
			return last
		}
		seen = prints
		p.clear()
		p.say("changed: %s", strings.Join(changed, ", "))
	}
}

// clear empties the screen, if there is one.
func (p *program) clear() {
	f, ok := p.stdout.(*os.File)
	if !ok {
		return
	}
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprint(p.stdout, "\x1b[2J\x1b[H")
	}
}

func (p *program) watched(o *testOptions, args []string) (*watched, error) {
	t, err := p.tested(o, args)
	if err != nil {
		return nil, err
	}
	w := &watched{except: map[string]bool{}}
	for _, s := range append(t.options.Tested, t.options.Guardrails...) {
		if info, err := os.Stat(s.Name); err == nil && info.IsDir() { // the embedded ones do not change
			w.dirs = add(w.dirs, s.Name)
		}
	}
	if o.config != "" {
		w.files = append(w.files, filepath.Clean(o.config))
	}
	for _, t := range o.outputs.targets {
		if t.path != "" {
			w.except[t.path] = true
		}
	}
	if w.Watcher, err = fsnotify.NewWatcher(); err != nil {
		return nil, hint(fmt.Errorf("--watch: %w", err), "the system lends no more watches; leave --watch out")
	}
	if err := w.follow(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// follow watches the directories that there are now, and what those to watch are in: one may
// go and come again.
func (w *watched) follow() error {
	var dirs []string
	for _, d := range w.dirs {
		dirs = append(dirs, filepath.Dir(d))
		eachBelow(d, func(path string, e fs.DirEntry) {
			if e.IsDir() {
				dirs = append(dirs, path)
			}
		})
	}
	for _, f := range w.files {
		dirs = append(dirs, filepath.Dir(f))
	}
	for _, d := range dirs {
		if err := w.Add(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return hint(fmt.Errorf("--watch: %s cannot be watched: %w", d, err), "name smaller directories, raise fs.inotify.max_user_watches, or leave --watch out")
		}
	}
	return nil
}

// eachBelow visits what is in a directory that can be read, without what is hidden. What
// cannot be is gone, or is told by the run.
func eachBelow(dir string, visit func(path string, e fs.DirEntry)) {
	_ = fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() && path != "." && strings.HasPrefix(e.Name(), ".") {
			return fs.SkipDir
		}
		if err == nil {
			visit(filepath.Join(dir, filepath.FromSlash(path)), e)
		}
		return nil
	})
}

// prints are what the files hold, by name. What cannot be read is as good as not there.
func (w *watched) prints() map[string][sha256.Size]byte {
	out := map[string][sha256.Size]byte{}
	take := func(file string) {
		if text, err := os.ReadFile(file); err == nil && !w.except[file] {
			out[file] = sha256.Sum256(text)
		}
	}
	for _, d := range w.dirs {
		eachBelow(d, func(path string, e fs.DirEntry) {
			if !e.IsDir() && slices.Contains([]string{".rego", ".yaml", ".yml", ".json"}, filepath.Ext(path)) {
				take(path)
			}
		})
	}
	for _, f := range w.files {
		take(f)
	}
	return out
}

// wait waits until files differ from what was seen and nothing more happens to them, or
// until ctx ends.
func (w *watched) wait(ctx context.Context, seen map[string][sha256.Size]byte) (changed []string, prints map[string][sha256.Size]byte, err error) {
	quiet := time.NewTimer(settling) // something may have changed during the run
	defer quiet.Stop()
	var first time.Time
	happens := func() {
		if first.IsZero() {
			first = time.Now()
		}
		if time.Since(first) < unsettled {
			quiet.Reset(settling)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil, nil, nil
		case _, ok := <-w.Events:
			if ok {
				happens()
			}
		case err := <-w.Errors:
			if err != nil && !errors.Is(err, fsnotify.ErrEventOverflow) {
				return nil, nil, hint(fmt.Errorf("--watch: %w", err), "leave --watch out")
			}
			happens()
		case <-quiet.C:
			first = time.Time{}
			if err := w.follow(); err != nil { // before looking: what comes later is told
				return nil, nil, err
			}
			prints = w.prints()
			if changed = differing(seen, prints); len(changed) > 0 {
				return changed, prints, nil
			}
		}
	}
}

// differing are the files that are not the same.
func differing(a, b map[string][sha256.Size]byte) []string {
	files := maps.Clone(a)
	maps.Copy(files, b)
	var out []string
	for _, file := range slices.Sorted(maps.Keys(files)) {
		was, before := a[file]
		is, after := b[file]
		if was != is || before != after {
			out = append(out, file)
		}
	}
	return out
}
