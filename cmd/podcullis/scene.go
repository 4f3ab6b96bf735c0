package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/guardrail/regotest"
)

// asker answers podcullis.review in tests.
type asker struct {
	bench    *bench
	clusters map[string]*scene // by folder, and what is asked for
}

// scene is the cluster of a question.
type scene struct {
	objects  map[cluster.Ref]*manifest.Object
	snapshot *cluster.Snapshot
}

func (a *asker) ask(ctx context.Context, q *regotest.Question) (regotest.Answer, error) {
	engine, err := a.bench.single(q.Guardrail, q.Parameters, "")
	if err != nil {
		return regotest.Answer{}, err
	}
	dir, err := os.OpenRoot(filepath.Dir(q.File))
	if err != nil {
		return regotest.Answer{}, fmt.Errorf("%s: files are only read beside a test", q.File)
	}
	defer dir.Close()
	folder := &folder{dir, q.File}
	there, err := a.scene(folder, q.Cluster, engine.NeedsEntries())
	if err != nil {
		return regotest.Answer{}, err
	}
	request, err := folder.request(q, there, engine.NeedsEntries())
	if err != nil {
		return regotest.Answer{}, err
	}
	out, err := engine.ask(ctx, there.snapshot, request, q.Time)
	if err != nil {
		return regotest.Answer{}, err
	}
	return regotest.Answer{Violations: out.found, Asked: out.asked, Why: out.why}, nil
}

// scene reads a cluster, once.
func (a *asker) scene(f *folder, asked json.RawMessage, entries bool) (*scene, error) {
	key := fmt.Sprintf("%s\n%v\n%s", f.root.Name(), entries, asked)
	if s, ok := a.clusters[key]; ok {
		return s, nil
	}
	set := manifest.NewSet()
	if asked != nil {
		var err error
		if set, err = f.read("cluster", asked, entries); err != nil && !errors.Is(err, manifest.ErrNothing) {
			return nil, err
		}
	}
	snapshot, err := set.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	s := &scene{map[cluster.Ref]*manifest.Object{}, snapshot}
	for i := range set.Objects {
		s.objects[set.Objects[i].Ref()] = &set.Objects[i]
	}
	a.clusters[key] = s
	return s, nil
}

// folder is that of a test: what lies outside of it is not read, not even by a link.
type folder struct {
	root *os.Root
	test string
}

// request is the change that is asked about, as the API server would send it.
func (f *folder) request(q *regotest.Question, there *scene, entries bool) (*admissionv1.AdmissionRequest, error) {
	operation, object, err := q.Change()
	if err != nil {
		return nil, err
	}
	var name string
	if operation == "delete" && json.Unmarshal(object, &name) == nil && strings.Contains(name, "/") {
		if _, err := f.root.Stat(name); err != nil {
			was, err := there.named(name)
			if err != nil {
				return nil, err
			}
			return step{was: was}.request(), nil
		}
	}
	texts, err := f.texts(operation, object)
	if err != nil {
		return nil, err
	}
	set, err := manifest.Read(manifest.Input{Texts: texts, Entries: entries})
	switch {
	case err != nil && !errors.Is(err, manifest.ErrNothing):
		return nil, asWritten(err)
	case len(set.Objects) == 0 && len(set.Skipped)+len(set.Unread) == 1 && len(texts) == 1 && operation == "create":
		return creation(texts[0])
	case len(set.Objects) != 1:
		return nil, fmt.Errorf("%s: holds %s of the kinds that Podcullis models, want one; of other kinds one can be created", operation, number(len(set.Objects), "object"))
	}
	is := &set.Objects[0]
	was := there.objects[is.Ref()]
	switch {
	case operation == "create" && was != nil:
		return nil, fmt.Errorf("create: %s is in the cluster already: update changes it", is.Ref())
	case operation == "create":
		return step{is: is}.request(), nil
	case was == nil:
		return nil, fmt.Errorf("%s: there is no %s in the cluster", operation, is.Ref())
	case operation == "delete":
		return step{was: was}.request(), nil
	}
	return step{was: was, is: is}.request(), nil
}

// creation is that of an object of a kind that the model has no place for.
func creation(text manifest.Text) (*admissionv1.AdmissionRequest, error) {
	raw, err := yaml.YAMLToJSON(text.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: is no YAML", text.Name)
	}
	var o metav1.PartialObjectMetadata
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, fmt.Errorf("%s: want one object with apiVersion, kind and metadata", text.Name)
	}
	kind := o.GroupVersionKind()
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	return &admissionv1.AdmissionRequest{
		Kind: metav1.GroupVersionKind(kind), Resource: metav1.GroupVersionResource(plural),
		Namespace: o.Namespace, Name: o.Name, Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw},
	}, nil
}

// named is the object of KIND/NAMESPACE/NAME, of a Namespace KIND/NAME.
func (s *scene) named(name string) (*manifest.Object, error) {
	var there []string
	for _, o := range s.objects {
		if o == nil { // a change deleted it
			continue
		}
		title := strings.Trim(o.Kind+"/"+o.Namespace+"/"+o.Name, "/")
		if o.Namespace == "" {
			title = o.Kind + "/" + o.Name
		}
		if title == name {
			return o, nil
		}
		there = append(there, title)
	}
	slices.Sort(there)
	if len(there) > maxListed {
		there = append(there[:maxListed], "...")
	}
	return nil, fmt.Errorf("delete: there is no %s in the cluster, but: %s", name, strings.Join(there, ", "))
}

// read reads a file, an object, or a list of both.
func (f *folder) read(field string, value json.RawMessage, entries bool) (*manifest.Set, error) {
	texts, err := f.texts(field, value)
	if err != nil {
		return nil, err
	}
	set, err := manifest.Read(manifest.Input{Texts: texts, Entries: entries})
	if err != nil && set == nil {
		return manifest.NewSet(), asWritten(err)
	}
	return set, err
}

var asRendered = regexp.MustCompile(`(\S+) \(line (\d+) as rendered\)`)

// asWritten is an error about texts as one about the files that they are; an object in a test
// has no lines of its own.
func asWritten(err error) error {
	return errors.New(asRendered.ReplaceAllStringFunc(err.Error(), func(at string) string {
		parts := asRendered.FindStringSubmatch(at)
		if strings.Contains(parts[1], ".") {
			return parts[1] + ":" + parts[2]
		}
		return parts[1]
	}))
}

func (f *folder) texts(field string, value json.RawMessage) ([]manifest.Text, error) {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil && string(value) != "null" {
		var out []manifest.Text
		for i, one := range list {
			texts, err := f.texts(fmt.Sprintf("%s[%d]", field, i), one)
			if err != nil {
				return nil, err
			}
			out = append(out, texts...)
		}
		return out, nil
	}
	var name string
	if json.Unmarshal(value, &name) == nil && string(value) != "null" {
		return f.file(field, name)
	}
	var object map[string]any
	if err := json.Unmarshal(value, &object); err != nil || object == nil {
		return nil, fmt.Errorf("%s: want the name of a file, an object, or a list of these", field)
	}
	return []manifest.Text{{Name: field, Data: value}}, nil
}

// file reads a file or a folder beside the test.
func (f *folder) file(field, name string) ([]manifest.Text, error) {
	var out []manifest.Text
	err := fs.WalkDir(f.root.FS(), filepath.ToSlash(filepath.Clean(name)), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || path != filepath.Clean(name) && !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			return nil
		}
		text, err := f.root.ReadFile(path)
		out = append(out, manifest.Text{Name: filepath.Join(f.root.Name(), path), Data: text})
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.Contains(name, `\`):
		return nil, fmt.Errorf("%s: there is no file %s in %s: paths are written with /", field, name, f.root.Name())
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no file %s in %s", field, name, f.root.Name())
	case err != nil:
		return nil, fmt.Errorf("%s: %s is not read: want a file in %s, the folder of the test, or below it", field, name, f.root.Name())
	}
	return out, nil
}
