package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
)

// stdinSource is the source that stands for standard input, as it does for kubectl.
const stdinSource = "-"

// maxFileSize is the most that one file or standard input may hold, in bytes.
const maxFileSize = 64 << 20

// loader gathers the objects and errors of one Load.
type loader struct {
	stdin io.Reader
	limit int64
	set   *Set
	errs  Errors
	read  map[string]bool // real paths of the files that were read, and "-"
	// While a text is read: that it is one, and the namespace of its objects.
	rendered  bool
	namespace string
}

func newLoader(stdin io.Reader) *loader {
	return &loader{
		stdin: stdin,
		limit: maxFileSize,
		set:   &Set{Skipped: map[string]int{}, index: map[cluster.Ref]int{}},
		read:  map[string]bool{},
	}
}

func (l *loader) source(name string) {
	if name == stdinSource {
		l.standardInput()
		return
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		l.fail(Location{File: name}, "%s", cause(err))
	case info.IsDir():
		if n := l.directory(name, nil); n == 0 {
			l.fail(Location{File: name}, "no *.yaml, *.yml or *.json file in this directory")
		}
	default:
		l.file(name, info)
	}
}

func (l *loader) standardInput() {
	if l.read[stdinSource] {
		return
	}
	l.read[stdinSource] = true
	if l.stdin == nil {
		l.fail(Location{File: stdinSource}, "there is no standard input to read")
		return
	}
	l.content(stdinSource, l.stdin)
}

// text reads a manifest in memory.
func (l *loader) text(t Text) {
	l.rendered, l.namespace = true, t.Namespace
	errs, notes := len(l.errs), len(l.set.Notes)
	l.documents(t.Name, t.Data)
	for _, err := range l.errs[errs:] {
		err.Location.Rendered = true
	}
	for i := range l.set.Notes[notes:] {
		l.set.Notes[notes+i].Location.Line = 0
	}
	l.rendered, l.namespace = false, ""
}

// directory reads the manifests below a directory and tells how many there are.
// Links are followed, like the one that a mounted ConfigMap consists of; above
// holds the real paths of the directories that lead here, which end a ring.
func (l *loader) directory(path string, above []string) (manifests int) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		l.fail(Location{File: path}, "%s", cause(err))
		return 1
	}
	if slices.Contains(above, real) {
		return 0
	}
	above = append(above, real)
	entries, err := os.ReadDir(path)
	if err != nil {
		l.fail(Location{File: path}, "%s", cause(err))
		return 1
	}
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if !e.IsDir() && e.Type()&fs.ModeSymlink == 0 && !isManifest(name) {
			continue
		}
		info, err := os.Stat(name)
		switch {
		case err != nil && !isManifest(name): // a dangling link to something else
		case err != nil:
			l.fail(Location{File: name}, "%s", cause(err))
			manifests++
		case info.IsDir():
			if !strings.HasPrefix(e.Name(), ".") {
				manifests += l.directory(name, above)
			}
		case isManifest(name):
			l.file(name, info)
			manifests++
		}
	}
	return manifests
}

func isManifest(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

func (l *loader) file(name string, info fs.FileInfo) {
	real, err := filepath.EvalSymlinks(name)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		l.fail(Location{File: name}, "%s", cause(err))
		return
	}
	if l.read[real] {
		return
	}
	l.read[real] = true
	if info.Size() > l.limit { // before a byte is read; content checks again, for pipes and files that grow
		l.tooLarge(name)
		return
	}
	f, err := os.Open(name)
	if err != nil {
		l.fail(Location{File: name}, "%s", cause(err))
		return
	}
	defer f.Close()
	l.content(name, f)
}

func (l *loader) content(name string, r io.Reader) {
	data, err := io.ReadAll(io.LimitReader(r, l.limit+1))
	switch {
	case err != nil:
		l.fail(Location{File: name}, "%s", cause(err))
	case int64(len(data)) > l.limit:
		l.tooLarge(name)
	default:
		l.documents(name, data)
	}
}

func (l *loader) tooLarge(name string) {
	l.fail(Location{File: name}, "larger than %s: split it into several files", size(l.limit))
}

func size(bytes int64) string {
	if bytes >= 1<<20 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// cause is an I/O error without the operation and path, which the location has.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
