package bundle

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	opa "github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"
)

// Manifest is what a bundle says of itself.
type Manifest struct {
	Revision string
	// Roots are the parts of data that the bundle is about; "" is all of it.
	Roots []string
	// Serial orders bundles: it never goes down. HasSerial tells whether there is one.
	Serial    int64
	HasSerial bool
}

// ownRoots are what a bundle of guardrails is about.
func ownRoots() []string { return []string{"guardrails", "lib", ConfigData} }

// maxRevision is how long a revision may be: it is a label of a metric.
const maxRevision = 128

// read reads a manifest. It decodes the value that is signed, which is what OPA understands
// of the text, and not the text once more.
func (m *Manifest) read(text []byte) error {
	m.Roots = []string{""}
	if text == nil {
		return nil
	}
	var value any
	if err := util.Unmarshal(text, &value); err != nil {
		return Refuse(BadManifest, "%s: %w", manifestName, err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return Refuse(BadManifest, "%s: %w", manifestName, err)
	}
	var raw opa.Manifest
	if err := json.Unmarshal(text, &raw); err != nil {
		return Refuse(BadManifest, "%s: %w", manifestName, err)
	}
	if !fine(raw.Revision) {
		return Refuse(BadManifest, "%s: revision: want one line of at most %d bytes", manifestName, maxRevision)
	}
	m.Revision = raw.Revision
	if raw.Roots != nil {
		m.Roots = *raw.Roots
	}
	if err := checkRego(raw); err != nil {
		return err
	}
	if len(raw.WasmResolvers) > 0 {
		return Refuse(BadManifest, "%s: wasm: guardrails are Rego", manifestName)
	}
	return m.readSerial(raw.Metadata)
}

// checkRego refuses another Rego than that of guardrails, in which the same text can mean something else.
func checkRego(m opa.Manifest) error {
	versions := []int{1}
	if m.RegoVersion != nil {
		versions = append(versions, *m.RegoVersion)
	}
	for _, v := range m.FileRegoVersions {
		versions = append(versions, v)
	}
	for _, v := range versions {
		if v != 1 {
			return Refuse(BadManifest, "%s: rego_version %d: guardrails are Rego v1", manifestName, v)
		}
	}
	return nil
}

// readSerial reads metadata.podcullis.serial.
func (m *Manifest) readSerial(metadata map[string]any) error {
	own, ok := metadata["podcullis"]
	if !ok {
		return nil
	}
	fields, ok := own.(map[string]any)
	if !ok {
		return Refuse(BadManifest, "%s: metadata.podcullis: want an object", manifestName)
	}
	for name, value := range fields {
		number, isNumber := value.(float64)
		if name != "serial" {
			return Refuse(BadManifest, "%s: metadata.podcullis: unknown field %.100q; known here: serial", manifestName, name)
		}
		// Up to 2^53 a float64 is exact.
		if !isNumber || number < 0 || number > 1<<53 || number != float64(int64(number)) {
			return Refuse(BadManifest, "%s: metadata.podcullis.serial: want a whole number from 0 to 2^53, got %.100v", manifestName, value)
		}
		m.Serial, m.HasSerial = int64(number), true
	}
	return nil
}

func fine(revision string) bool {
	return len(revision) <= maxRevision && utf8.ValidString(revision) && !strings.ContainsFunc(revision, func(r rune) bool { return !unicode.IsPrint(r) })
}

// permit refuses roots that claim what is no guardrail, and files outside of the roots.
func (m *Manifest) permit(files contents) error {
	for i, root := range m.Roots {
		root = strings.Trim(root, "/")
		first, _, _ := strings.Cut(root, "/")
		if root != "" && !slices.Contains(ownRoots(), first) {
			return Refuse(BadManifest, "%s: roots: %.100q is not about guardrails: want of %s", manifestName, m.Roots[i], strings.Join(ownRoots(), ", "))
		}
		for _, other := range m.Roots[:i] {
			if opa.RootPathsOverlap(root, strings.Trim(other, "/")) {
				return Refuse(BadManifest, "%s: roots: %.100q and %.100q overlap", manifestName, other, root)
			}
		}
	}
	var roots []string
	for _, root := range m.Roots {
		roots = append(roots, strings.Trim(root, "/"))
	}
	for _, name := range files.names() {
		at := ""
		switch {
		case name == ConfigName:
			at = ConfigData
		case isGuardrail(name):
			at = packageOf(name, files[name])
		}
		if at != "" && !opa.RootPathsContain(roots, at) {
			return Refuse(BadManifest, "%s: is %s, and the manifest's roots are %q", name, strings.ReplaceAll(at, "/", "."), m.Roots)
		}
	}
	return nil
}

// packageOf is the package of a module as a path, "" if it does not parse, which loading it says.
func packageOf(name string, text []byte) string {
	m, err := ast.ParseModuleWithOpts(name, string(text), ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil || m == nil {
		return ""
	}
	var parts []string
	for _, t := range m.Package.Path[1:] {
		parts = append(parts, strings.Trim(t.String(), `"`))
	}
	return strings.Join(parts, "/")
}

func isData(name string) bool {
	base := path.Base(name)
	return base == "data.json" || opa.IsYAMLDataFile(name)
}

// dataOf is a data file as a document from the root: those of podcullis/data.json are under podcullis.
func dataOf(name string, text []byte) (map[string]any, error) {
	var value any
	if err := util.Unmarshal(text, &value); err != nil {
		return nil, Refuse(BadManifest, "%s: %w", name, err)
	}
	dir := path.Dir(name)
	if dir != "." {
		parts := strings.Split(dir, "/")
		slices.Reverse(parts)
		for _, p := range parts {
			value = map[string]any{p: value}
		}
	}
	document, ok := value.(map[string]any)
	if !ok {
		return nil, Refuse(BadManifest, "%s: want an object", name)
	}
	return document, nil
}
