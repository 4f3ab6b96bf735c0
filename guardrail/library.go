package guardrail

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/guardrail/gatekeeper"
	"github.com/podcullis/podcullis/guardrail/sandbox"
)

// Source is a tree of Rego files: *.rego, but for *_test.rego.
type Source struct {
	// Name says where the files are from: a directory, or "embedded".
	Name string
	FS   fs.FS
}

// Without is a source but for the packages that others bring: whoever works on a guardrail
// that ships has it twice, and means the one in hand.
func (s Source) Without(others ...Source) Source {
	left := packagesLess{s.FS, map[string]bool{}}
	for _, o := range others {
		_ = o.Each(func(file string, text []byte) { // what cannot be read is an error when it is loaded
			if name := packageClause.FindSubmatch(text); name != nil && !strings.HasSuffix(file, "_test.rego") {
				left.packages[string(name[1])] = true
			}
		})
	}
	return Source{s.Name, left}
}

// packagesLess is a tree of files of which some packages are not read.
type packagesLess struct {
	fs.FS
	packages map[string]bool
}

var packageClause = regexp.MustCompile(`(?m)^package[ \t]+([A-Za-z0-9_.]+)`)

// Library is the compiled guardrails of some sources. It is immutable.
type Library struct {
	guardrails map[string]*Guardrail
	compiler   *ast.Compiler
	written    map[string]*ast.Module // by file, as parsed
	// templates are those of Gatekeeper by their kinds, and constraints what uses them.
	templates   map[string]*template
	constraints []*gatekeeper.Constraint
	conftest    []*conftest
}

// Guardrail is one Rego guardrail: a package guardrails.<id> in one file.
type Guardrail struct {
	// ID is the package's last part with hyphens: default-deny.
	ID          string
	Title       string
	Description string
	Severity    string
	// Controls are those of benchmarks and guides that it is for.
	Controls []string
	// Kinds are the kinds of objects that it judges; empty means all.
	Kinds kindList
	// Example are parameters to begin with; nil where it needs none.
	Example map[string]any
	// File is where it was read.
	File string

	schema *parameterSchema
	rules  []string // the names of its violation, deny and warn rules
	// readsObject is set when it reads input.request.object or oldObject; else
	// what it reads of the object is in the model.
	readsObject bool
	// asksModel is set for one that may look at more than pairs of namespaces.
	asksModel bool
	// asksEntrances is set for one that asks about Services, Ingresses and routes.
	asksEntrances bool
	// asksClosed is set for one that asks which paths are not there.
	asksClosed bool
	// readsRequest is set when it reads more of the request than which object changes and
	// how: that is known only of a change that somebody asks about.
	readsRequest bool
	// readsOccasion is set when it reads more than the object and what is done with it: who asks, by
	// which subresource, when. So it is for one that looks neither at the object nor at the model, and
	// judges that something is done at all. All that is new with each request, so that it is asked about each.
	readsOccasion bool
	// requestFields are the fields of the request that it may read.
	requestFields []string
	// path is the package, as in data.<path>, of one that is none of ours.
	path string
}

var severities = []string{"critical", "high", "medium", "low"}

// ruleName is what a rule that reports must be called. Others are private.
var ruleName = regexp.MustCompile(`^(deny|violation|warn)(_[a-zA-Z0-9]+)*$`)

// LoadLibrary parses and compiles every Rego file of the sources, inside the
// sandbox. All that is wrong is reported together, by file and line.
func LoadLibrary(sources ...Source) (*Library, error) { return load(sources, false) }

// LoadLibraryForAuthors is LoadLibrary with calls of print(...), which are dropped otherwise.
func LoadLibraryForAuthors(sources ...Source) (*Library, error) { return load(sources, true) }

func load(sources []Source, prints bool) (*Library, error) {
	sandbox.Bound()
	modules, faults, err := Parse(sources...)
	if err != nil {
		return nil, err
	}
	for _, file := range slices.Sorted(maps.Keys(modules)) {
		faults = append(faults, placeFaults(file, modules[file])...)
		faults = append(faults, unboundedFormats(modules[file])...)
	}
	compiler, more := compileAll(modules, prints)
	faults = append(faults, more...)
	faults = append(faults, questionFaults(modules)...)
	l := &Library{guardrails: map[string]*Guardrail{}, compiler: compiler, written: modules}
	for _, file := range slices.Sorted(maps.Keys(modules)) {
		faults = append(faults, l.add(file, modules[file])...)
	}
	if err := errors.Join(faults.err(), l.loadTemplates(sources, prints)); err != nil {
		return nil, err
	}
	if len(l.guardrails)+len(l.templates) == 0 {
		return nil, fmt.Errorf("no guardrail found: want a file with a package guardrails.<id>")
	}
	return l, nil
}

// Guardrails lists the library, by ID.
func (l *Library) Guardrails() []*Guardrail {
	var out []*Guardrail
	for _, id := range slices.Sorted(maps.Keys(l.guardrails)) {
		out = append(out, l.guardrails[id])
	}
	return out
}

// Guardrail returns one by ID.
func (l *Library) Guardrail(id string) (*Guardrail, bool) {
	g, ok := l.guardrails[id]
	return g, ok
}

// Parse reads the files of some sources, but for tests. What does not parse is in faults.
func Parse(sources ...Source) (modules map[string]*ast.Module, faults Faults, err error) {
	modules = map[string]*ast.Module{}
	for _, s := range sources {
		err := s.Each(func(file string, text []byte) {
			if strings.HasSuffix(file, "_test.rego") {
				return
			}
			m, wrong := ParseFile(file, text)
			faults = append(faults, wrong...)
			if m != nil {
				modules[file] = m
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return modules, faults, nil
}

// Each gives the name and the text of each *.rego file of a source.
func (s Source) Each(yield func(file string, text []byte)) error {
	left, _ := s.FS.(packagesLess)
	err := fs.WalkDir(s.FS, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir // a mounted ConfigMap keeps its files twice, once in ..data
		case d.IsDir() || !strings.HasSuffix(p, ".rego"):
			return nil
		}
		text, err := fs.ReadFile(s.FS, p)
		if err != nil {
			return err
		}
		if name := packageClause.FindSubmatch(text); name == nil || !left.packages[string(name[1])] {
			yield(path.Join(s.Name, p), text)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read guardrails: %w", err)
	}
	return nil
}

// ParseFile parses one file; the module is nil where there are faults.
func ParseFile(file string, text []byte) (*ast.Module, Faults) {
	if !utf8.Valid(text) {
		return nil, Faults{{file, 0, "is not text in UTF-8"}}
	}
	m, err := ast.ParseModuleWithOpts(file, string(text), ParserOptions())
	var list ast.Errors
	switch {
	case errors.As(err, &list):
		faults := inOurWords(list, nil)
		for i := range faults {
			if faults[i].File == "" {
				faults[i].File = file
			}
		}
		return nil, faults
	case err != nil:
		return nil, Faults{{file, 0, inWords(err.Error())}}
	case m == nil:
		return nil, Faults{{file, 1, "is empty: the file begins with its # METADATA and `package guardrails.<id>`"}}
	}
	return m, nil
}

// longWidth is a width or precision that pads to 1000 characters or more, or one
// that an argument gives.
var longWidth = regexp.MustCompile(`[0-9]{4,}|\*`)

// unboundedFormats refuses what would let sprintf fill the memory in one step,
// which no deadline stops: formats that pad without bound.
func unboundedFormats(m *ast.Module) Faults {
	var errs Faults
	check := func(at *ast.Location, operator, format *ast.Term) {
		if !operator.Equal(ast.NewTerm(ast.Sprintf.Ref())) {
			return
		}
		text, ok := format.Value.(ast.String)
		if !ok || longWidth.MatchString(string(text)) {
			errs = append(errs, faultAt(at, "sprintf: the format must be a string in quotes, with widths below 1000 and no *"))
		}
	}
	ast.WalkTerms(m, func(t *ast.Term) bool {
		if call, ok := t.Value.(ast.Call); ok && len(call) > 1 {
			check(t.Location, call[0], call[1])
		}
		return false
	})
	ast.WalkExprs(m, func(e *ast.Expr) bool {
		if terms, ok := e.Terms.([]*ast.Term); ok && len(terms) > 1 {
			check(e.Location, terms[0], terms[1])
		}
		return false
	})
	return errs
}

// placeFaults refuses packages that are nowhere looked for.
func placeFaults(file string, m *ast.Module) Faults {
	parts := packagePath(m)
	if len(parts) == 2 && parts[0] == "guardrails" || len(parts) >= 2 && parts[0] == "lib" {
		return nil
	}
	return Faults{{file, m.Package.Location.Row, fmt.Sprintf("package %s: want guardrails.<id> for a guardrail or lib.<name> for what guardrails share", strings.Join(parts, "."))}}
}

// add takes a guardrail in, or says why it cannot. Where nothing compiled it only says so.
func (l *Library) add(file string, m *ast.Module) (faults Faults) {
	parts := packagePath(m)
	if len(parts) != 2 || parts[0] != "guardrails" {
		return nil
	}
	g := &Guardrail{ID: strings.ReplaceAll(parts[1], "_", "-"), File: file}
	if other, ok := l.guardrails[g.ID]; ok {
		return Faults{{file, m.Package.Location.Row, fmt.Sprintf("guardrail %s is already defined in %s", g.ID, other.File)}}
	}
	l.guardrails[g.ID] = g
	if err := g.readMetadata(packageAnnotations(m)); err != nil {
		faults = append(faults, Fault{file, m.Package.Location.Row, err.Error()})
	}
	faults = append(faults, g.readRules(m)...)
	if l.compiler == nil || len(faults) > 0 {
		return faults
	}
	compiled := l.compiler.Modules[file]
	g.readsObject = readsObject(compiled) || usesLibraryThat(readsObject, compiled, l.compiler.Modules)
	g.asksModel = asksModel(file, compiled)
	g.asksEntrances = asksEntrances(compiled) || usesLibraryThat(asksEntrances, compiled, l.compiler.Modules)
	g.asksClosed = asksClosed(compiled)
	g.readsRequest = readsRequest(compiled) || usesLibraryThat(readsRequest, compiled, l.compiler.Modules)
	for _, field := range envelopeFields {
		readsField := func(m *ast.Module) bool { return reads(m, func(f string) bool { return f == "" || f == field }) }
		if readsField(compiled) || usesLibraryThat(readsField, compiled, l.compiler.Modules) {
			g.requestFields = append(g.requestFields, field)
		}
	}
	aboutRequest := !g.asksModel && !g.readsObject && !strings.HasPrefix(file, Embedded+"/")
	g.readsOccasion = aboutRequest || readsOccasion(compiled) || usesLibraryThat(readsOccasion, compiled, l.compiler.Modules)
	return nil
}

func packagePath(m *ast.Module) []string {
	var parts []string
	for _, t := range m.Package.Path[1:] {
		parts = append(parts, strings.Trim(t.String(), `"`))
	}
	return parts
}
