package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// kustomization is what one takes from where.
type kustomization struct {
	dir       string
	component bool
	takes     []string // directories
	remote    string   // the first thing that it takes from elsewhere
	parts     []string // files that are no objects of their own: patches, settings
}

// kustomize builds the kustomizations of a directory that no other one of them
// takes: a base counts as its overlays make it.
func (l *loader) kustomize(w *walk) {
	var all []kustomization
	taken := map[string]bool{}
	for _, dir := range w.kustomizations {
		k := readKustomization(dir)
		for _, other := range k.takes {
			taken[other] = true
		}
		all = append(all, k)
	}
	var built, idle []string
	for _, k := range all {
		switch {
		case taken[clean(k.dir)]:
		case k.component:
			idle = append(idle, k.dir)
		case k.remote != "":
			w.manifests++
			l.fail(Location{File: k.dir}, "this kustomization takes %s, which is not fetched for -f: podcullis ... -k %s fetches it, and --exclude %s leaves it out", k.remote, k.dir, relative(w.root, k.dir))
		default:
			l.build(w, k.dir)
			built = append(built, k.dir)
		}
	}
	at := Location{File: w.root}
	if len(built) > 0 {
		l.set.Notes = append(l.set.Notes, Note{at, fmt.Sprintf("built as kustomize does, not read file by file, and what one takes not built alone: %s", named(built))})
	}
	if len(idle) > 0 {
		l.set.Notes = append(l.set.Notes, Note{at, fmt.Sprintf("left out, components that no kustomization takes: %s", named(idle))})
	}
}

func (l *loader) build(w *walk, dir string) {
	texts, err := l.in.Kustomize(dir)
	if err != nil {
		l.fail(Location{File: dir}, "%v (--exclude %s leaves it out)", err, relative(w.root, dir))
		return
	}
	for _, t := range texts {
		l.text(t)
	}
}

// readKustomization reads what decides which kustomizations are roots. What cannot
// be read fails when it is built.
func readKustomization(dir string) kustomization {
	k := kustomization{dir: dir}
	for _, name := range kustomizationFiles() {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		type reference struct{ Path string }
		var fields struct {
			Kind                                                                        string
			Resources, Bases, Components                                                []string
			PatchesStrategicMerge, Generators, Transformers, Validators, Configurations []string
			Patches, PatchesJson6902, Replacements                                      []reference //nolint:revive,staticcheck // as it is spelt there
		}
		if yaml.Unmarshal(text, &fields) != nil {
			break
		}
		parts := slices.Concat(fields.PatchesStrategicMerge, fields.Generators, fields.Transformers, fields.Validators, fields.Configurations)
		for _, r := range slices.Concat(fields.Patches, fields.PatchesJson6902, fields.Replacements) {
			parts = append(parts, r.Path)
		}
		for _, path := range parts { // some are texts, and no paths
			if info, err := os.Stat(filepath.Join(dir, path)); err == nil && info.Mode().IsRegular() {
				k.parts = append(k.parts, clean(filepath.Join(dir, path)))
			}
		}
		k.component = fields.Kind == "Component"
		for _, path := range slices.Concat(fields.Resources, fields.Bases, fields.Components) {
			k.take(path)
		}
		break
	}
	return k
}

func (k *kustomization) take(path string) {
	info, err := os.Stat(filepath.Join(k.dir, path))
	switch {
	case err == nil && info.IsDir():
		k.takes = append(k.takes, clean(filepath.Join(k.dir, path)))
	case err != nil && k.remote == "" && (strings.Contains(path, "://") || strings.Contains(path, "?ref=") || strings.HasPrefix(path, "git@") || strings.HasPrefix(path, "github.com/")):
		k.remote = path
	}
}

// clean is one spelling of a path.
func clean(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}
