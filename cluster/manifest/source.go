package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/podcullis/podcullis/cluster"
)

// stdinSource is the source that stands for standard input, as it does for kubectl.
const stdinSource = "-"

// maxFileSize is the most that one file or standard input may hold, in bytes.
const maxFileSize = 64 << 20

// loader gathers the objects and errors of one Load.
type loader struct {
	in    Input
	limit int64
	set   *Set
	errs  Errors
	read  map[string]bool // real paths of the files that were read, and "-"
	// While a text is read: that it is one, and the namespace of its objects.
	rendered  bool
	namespace string
	// walk is set while files are read that nobody has named: those of a directory.
	walk     *walk
	excludes []ignorePattern
	again    []again
}

func newLoader(in Input) *loader {
	l := &loader{
		in:        in,
		limit:     maxFileSize,
		set:       &Set{Skipped: map[string]int{}, index: map[cluster.Ref]int{}},
		read:      map[string]bool{},
		namespace: in.Namespace,
	}
	for _, text := range in.Exclude {
		p, err := parseIgnore(text)
		if err != nil {
			l.fail(Location{File: "--exclude " + text}, "%v", err)
			continue
		}
		l.excludes = append(l.excludes, p)
	}
	return l
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
		l.directory(name)
	case strings.HasSuffix(name, ".tgz"):
		l.fail(Location{File: name}, "a packaged Helm chart, and no manifests: podcullis ... --helm %s", name)
	default:
		l.file(name, info)
	}
}

func (l *loader) standardInput() {
	if l.read[stdinSource] {
		return
	}
	l.read[stdinSource] = true
	if l.in.Stdin == nil {
		l.fail(Location{File: stdinSource}, "there is no standard input to read")
		return
	}
	l.content(stdinSource, l.in.Stdin)
}

// text reads a manifest in memory.
func (l *loader) text(t Text) {
	outer := l.namespace
	l.rendered = true
	if t.Namespace != "" {
		l.namespace = t.Namespace
	}
	errs, notes := len(l.errs), len(l.set.Notes)
	if t.Note != "" {
		l.set.Notes = append(l.set.Notes, Note{Location{File: t.Name}, t.Note})
	}
	l.documents(t.Name, t.Data, t.Line)
	for _, err := range l.errs[errs:] {
		err.Location.Rendered = true
	}
	for i := range l.set.Notes[notes:] {
		if at := &l.set.Notes[notes+i].Location; !at.Rendered {
			at.Line = 0
		}
	}
	l.rendered, l.namespace = false, outer
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
		l.documents(name, data, 0)
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
