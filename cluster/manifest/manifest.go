package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podcullis/podcullis/cluster"
)

// ErrNothing is returned, beside a Set, when the sources hold no object that the
// model knows: judging nothing is seldom what was meant.
var ErrNothing = errors.New("nothing to evaluate")

// Location is a place in a file.
type Location struct {
	// File is the path as it was found; "-" for standard input.
	File string
	// Line counts from 1; 0 when the place is the whole file, as it is for the
	// objects of a Text.
	Line int
	// Rendered is set when Line counts in what the file renders to: an error in a Text.
	Rendered bool
}

// String is the location as compilers print it: "shop.yaml:12".
func (l Location) String() string {
	switch {
	case l.Line == 0:
		return l.File
	case l.Rendered:
		return fmt.Sprintf("%s (line %d as rendered)", l.File, l.Line)
	}
	return fmt.Sprintf("%s:%d", l.File, l.Line)
}

// Object is one object of the model and where it was found.
type Object struct {
	schema.GroupVersionKind
	// Namespace is "default" when the document names none, and empty for an
	// object without a namespace.
	Namespace string
	// Name is metadata.name; of an object with only a generateName that prefix
	// and "*".
	Name string
	// JSON is the document as written, in compact JSON: what
	// AdmissionRequest.object would hold.
	JSON json.RawMessage
	// API is the typed object (*networkingv1.NetworkPolicy and so on); nil for
	// one of a policy API that the model does not understand (*cluster.Foreign).
	API runtime.Object
	// Model is what goes into the snapshot.
	Model    cluster.Object
	Location Location
}

// Ref is the object's identity in the model.
func (o *Object) Ref() cluster.Ref { return o.Model.Ref() }

// Note is something that is no error, but that the reader of a result should know.
type Note struct {
	Location Location
	Text     string
}

// Set is what some sources hold.
type Set struct {
	// Objects are in the order of the sources, files and documents.
	Objects []Object
	// Skipped counts the documents of kinds that the model has no use for, by
	// kind and group ("Service", "Ingress.networking.k8s.io").
	Skipped map[string]int
	// Unread are the objects that make pods of which nothing is known: they are of
	// kinds that the model has no use for, and show no pod template. They are not
	// among Skipped.
	Unread []Unread
	// Notes are in the order of Objects.
	Notes []Note
	// Asides are the documents of the kinds that Input.Aside names. They are not among Skipped.
	Asides []Aside
	// Charts are the directories with a Helm chart that were found and left out.
	Charts []string

	index map[cluster.Ref]int
}

// Text is a manifest in memory: what a template of a chart renders to.
type Text struct {
	// Name is the file that it comes from.
	Name string
	Data []byte
	// Namespace is that of the objects that name none; that of the Input when empty.
	Namespace string
	// Line is how many lines of what the file renders to are before Data.
	Line int
	// Note is something to be told about the file; Data may be empty then.
	Note string
}

// Input is what Read reads.
type Input struct {
	// Sources are files, directories and "-", as Load takes them.
	Sources []string
	Stdin   io.Reader
	// Texts come after the sources.
	Texts []Text
	// Namespace is that of the objects that name none, as -n of kubectl apply;
	// "default" when empty.
	Namespace string
	// Stored is set when the manifests stand for what a cluster holds: what is too much to
	// be read is then kept as unknown, and told in Set.Notes. Bounds say what is.
	Stored bool
	Bounds cluster.Bounds
	// Entries takes Services, Ingresses and routes into the set, which else are skipped.
	Entries bool
	// Aside are kinds that the model has no use for, and of which the documents are kept in
	// Set.Asides all the same.
	Aside []schema.GroupKind
	// AsideIf, if set, chooses such kinds, too. Objects of these are something to evaluate.
	AsideIf func(schema.GroupKind) bool
	// Exclude are patterns, as of a .gitignore, of what is left out below a source
	// that is a directory. A source itself is never left out.
	Exclude []string
	// Kustomize builds the kustomizations that are found below a source. Without
	// it, and where the source is one itself, their files are read as they are.
	Kustomize func(dir string) ([]Text, error)
}

// Load reads the sources, in order: a file, a directory, or "-" for stdin. A file
// that two sources name is read once.
//
// Of a directory all *.yaml, *.yml and *.json files count and those of its
// subdirectories, sorted, without what is hidden, what a .podcullisignore file
// names, charts, and files that hold no Kubernetes object at all. What is left out
// is told in Set.Notes.
//
// What is wrong with any document is returned together as Errors. When the
// sources are fine but hold no object for the model, the error is ErrNothing and
// the Set is returned with it.
func Load(sources []string, stdin io.Reader) (*Set, error) {
	return Read(Input{Sources: sources, Stdin: stdin})
}

// Read is Load with manifests that are in memory.
func Read(in Input) (*Set, error) {
	l := newLoader(in)
	for _, s := range in.Sources {
		l.source(s)
	}
	l.idleExcludes()
	for _, t := range in.Texts {
		l.text(t)
	}
	l.variants()
	if len(l.errs) > 0 {
		return nil, l.errs
	}
	if len(l.set.Objects) == 0 && (in.AsideIf == nil || len(l.set.Asides) == 0) {
		sources := in.Sources
		for _, t := range in.Texts {
			if len(sources) == 0 || sources[len(sources)-1] != t.Name {
				sources = append(sources[:len(sources):len(sources)], t.Name)
			}
		}
		return l.set, l.nothing(sources)
	}
	return l.set, nil
}

// Snapshot is the cluster in which exactly these objects exist.
func (s *Set) Snapshot() (*cluster.Snapshot, error) {
	objects := make([]cluster.Object, 0, len(s.Objects))
	for i := range s.Objects {
		objects = append(objects, s.Objects[i].Model)
	}
	return cluster.New(objects...)
}

// Lookup finds an object by its identity in the model.
func (s *Set) Lookup(ref cluster.Ref) (*Object, bool) {
	i, ok := s.index[ref]
	if !ok {
		return nil, false
	}
	return &s.Objects[i], true
}

func (s *Set) add(o Object) {
	if o.JSON != nil {
		cluster.Keep(o.Model, cluster.NewDocumentJSON(o.JSON)) // which is read when somebody asks
	}
	s.index[o.Ref()] = len(s.Objects)
	s.Objects = append(s.Objects, o)
}

// maxNamed bounds how many sources an error names.
const maxNamed = 5

// maxListed bounds how many kinds and objects it lists.
const maxListed = 20

// nothing says why there is nothing to evaluate.
func (l *loader) nothing(sources []string) error {
	if len(sources) == 0 {
		return fmt.Errorf("%w: no file, directory or - was given", ErrNothing)
	}
	names := strings.Join(sources, ", ")
	if n := len(sources) - maxNamed; n > 1 {
		names = fmt.Sprintf("%s and %d more", strings.Join(sources[:maxNamed], ", "), n)
	}
	if len(l.set.Skipped)+len(l.set.Unread) == 0 {
		return fmt.Errorf("%w: no Kubernetes objects in %s", ErrNothing, names)
	}
	var skipped []string
	for _, kind := range slices.Sorted(maps.Keys(l.set.Skipped)) {
		skipped = append(skipped, fmt.Sprintf("%d %s", l.set.Skipped[kind], kind))
	}
	for _, u := range l.set.Unread {
		skipped = append(skipped, u.String()+" ("+u.Why+")")
	}
	if n := len(skipped) - maxListed; n > 1 {
		skipped = append(skipped[:maxListed], fmt.Sprintf("and %d more", n))
	}
	return fmt.Errorf("%w: no namespace, workload, pod or NetworkPolicy in %s, only %s", ErrNothing, names, strings.Join(skipped, ", "))
}
