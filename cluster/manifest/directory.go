package manifest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// walk is one source that is a directory, as it is read.
type walk struct {
	root string
	// raw is set when the root is a kustomization itself, or nobody builds any:
	// then files are read as they are.
	raw            bool
	manifests      int // that were read, or could not be
	kustomizations []string
	charts         []string
	hidden         []string
	ignored        []string
	excluded       []string
	others         []string // that hold no object
	parts          []string // that a kustomization takes, and not as objects
}

// place is where a walk is: the real directories above, so that a ring of links
// ends; the ignore files that count; and whether a kustomization holds it.
type place struct {
	above   []string
	ignores []ignoring
	within  bool
	parts   []string // real paths of what a kustomization takes, and not as objects
}

// directory reads the manifests below a source.
func (l *loader) directory(root string) {
	if holds(root, chartFile) {
		l.fail(Location{File: filepath.Join(root, chartFile), Line: 1}, "a Helm chart, and no manifests: podcullis ... --helm %s", root)
		return
	}
	w := &walk{root: root, raw: l.in.Kustomize == nil || holds(root, kustomizationFiles()...)}
	l.walk = w
	l.enter(w, root, place{})
	l.walk = nil
	l.kustomize(w)
	l.told(w)
	if w.manifests+len(w.kustomizations)+len(w.charts)+len(w.hidden)+len(w.ignored)+len(w.excluded)+len(w.others)+len(w.parts) == 0 {
		l.fail(Location{File: root}, "no *.yaml, *.yml or *.json file in this directory")
	}
}

const chartFile = "Chart.yaml"

func kustomizationFiles() []string {
	return []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}
}

// holds tells whether a directory holds one of the files.
func holds(dir string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	})
}

// enter reads a directory. Links are followed, like those that a mounted ConfigMap
// consists of.
func (l *loader) enter(w *walk, dir string, p place) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		l.unreadable(w, dir, err)
		return
	}
	if slices.Contains(p.above, real) {
		return
	}
	p.above = append(p.above[:len(p.above):len(p.above)], real)
	entries, err := os.ReadDir(dir)
	if err != nil {
		l.unreadable(w, dir, err)
		return
	}
	if ignore, ok := l.ignoreFileOf(dir); ok {
		p.ignores = append(p.ignores[:len(p.ignores):len(p.ignores)], ignore)
	}
	if w.raw && holds(dir, kustomizationFiles()...) {
		p.parts = slices.Concat(p.parts, readKustomization(dir).parts)
	}
	for _, e := range entries {
		l.entry(w, filepath.Join(dir, e.Name()), e, p)
	}
}

// entry reads what a directory holds.
func (l *loader) entry(w *walk, name string, e fs.DirEntry, p place) {
	if !e.IsDir() && e.Type()&fs.ModeSymlink == 0 && !isManifest(name) {
		return
	}
	info, err := os.Stat(name)
	if err != nil {
		if isManifest(name) && !l.leftOut(w, name, false, p) {
			l.unreadable(w, name, err)
		}
		return // a dangling link to something else
	}
	switch {
	case !info.IsDir() && !isManifest(name), p.within && !info.IsDir(), l.leftOut(w, name, info.IsDir(), p):
	case !info.IsDir() && slices.Contains(p.parts, clean(name)):
		w.parts = append(w.parts, name)
	case !info.IsDir():
		l.file(name, info)
		if n := len(w.others); n == 0 || w.others[n-1] != name {
			w.manifests++
		}
	case holds(name, chartFile):
		w.charts = append(w.charts, name)
	case !w.raw && holds(name, kustomizationFiles()...):
		w.kustomizations = append(w.kustomizations, name)
		p.within = true // what it takes of its files, it takes itself
		l.enter(w, name, p)
	default:
		l.enter(w, name, p)
	}
}

func (l *loader) unreadable(w *walk, name string, err error) {
	l.fail(Location{File: name}, "%s", cause(err))
	w.manifests++
}

// leftOut tells whether something is hidden or excluded, and remembers it.
func (l *loader) leftOut(w *walk, name string, directory bool, p place) bool {
	shown := name
	if directory {
		shown += string(filepath.Separator)
	}
	base := filepath.Base(name)
	if strings.HasPrefix(base, ".") {
		// What is in .git is nobody's manifest, and a mounted ConfigMap shows what
		// is in ..data by links.
		if base != ".git" && !strings.HasPrefix(base, "..") && !p.within {
			w.hidden = append(w.hidden, shown)
		}
		return true
	}
	if out, _ := leavesOut(l.excludes, directory, relative(w.root, name), filepath.ToSlash(name)); out {
		w.excluded = append(w.excluded, shown)
		return true
	}
	for _, ignore := range slices.Backward(p.ignores) {
		if out, about := leavesOut(ignore.patterns, directory, relative(ignore.base, name)); about {
			if out {
				w.ignored = append(w.ignored, shown)
			}
			return out
		}
	}
	return false
}

// told says what was left out of a directory, each sort once.
func (l *loader) told(w *walk) {
	at := Location{File: w.root}
	l.set.Charts = append(l.set.Charts, w.charts...)
	for i, chart := range w.charts {
		if len(w.charts) > maxNamed+1 && i == maxNamed {
			l.set.Notes = append(l.set.Notes, Note{at, fmt.Sprintf("left out, being Helm charts: %d more", len(w.charts)-i)})
			break
		}
		l.set.Notes = append(l.set.Notes, Note{Location{File: chart}, "a Helm chart, left out: podcullis ... --helm " + chart + " renders it"})
	}
	for _, x := range []struct {
		names []string
		why   string
	}{
		{w.others, ", no Kubernetes object being in it"},
		{w.parts, ", being patches and settings of a kustomization"},
		{w.hidden, ", being hidden"},
		{w.ignored, " by " + ignoreFile},
		{w.excluded, " by --exclude"},
	} {
		if len(x.names) > 0 {
			l.set.Notes = append(l.set.Notes, Note{at, fmt.Sprintf("left out%s: %s", x.why, named(x.names))})
		}
	}
}

// named lists some names.
func named(names []string) string {
	if n := len(names) - maxNamed; n > 1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), n)
	}
	return strings.Join(names, ", ")
}
