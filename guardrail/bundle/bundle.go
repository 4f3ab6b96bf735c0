package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	opa "github.com/open-policy-agent/opa/v1/bundle"
	"golang.org/x/tools/txtar"

	"github.com/podcullis/podcullis/guardrail"
)

// Names in a bundle.
const (
	// ConfigName is the file with the configuration.
	ConfigName = "guardrails.yaml"
	// ConfigData is the document that holds it where there is no such file, as bundles that
	// `opa build` makes have nothing but Rego and data.
	ConfigData = "podcullis"

	manifestName = ".manifest"
)

// Bundle is one that was read. It is immutable.
type Bundle struct {
	Manifest Manifest
	// Digest tells what is in the bundle, whoever signed it.
	Digest string
	// Signature is nil where there is none; Verified tells whether it was looked at.
	Signature *Signature
	Verified  bool
	Files     []File

	raw    []byte
	files  contents
	config config
}

// File is one of a bundle's.
type File struct {
	Name string
	Size int
}

// config is a configuration before it is parsed.
type config struct {
	name string
	text []byte
}

// Options are how a bundle is read.
type Options struct {
	Trust  Trust
	Limits Limits // DefaultLimits when zero
}

// Read reads an archive and verifies it. It compiles nothing: Load does.
func Read(raw []byte, o Options) (*Bundle, error) {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	b, err := open(raw, o.Limits)
	if err != nil {
		return nil, err
	}
	if err := o.Trust.check(b.Signature, b.files); err != nil {
		return nil, err
	}
	b.Verified = !o.Trust.Unsigned
	return b, b.understand()
}

// Inspect reads an archive and believes what it says, for somebody who looks at it. The error is
// what is wrong with what was understood of it.
func Inspect(raw []byte) (*Bundle, error) {
	b, err := open(raw, DefaultLimits())
	if err != nil {
		return nil, err
	}
	return b, b.understand()
}

func open(raw []byte, l Limits) (*Bundle, error) {
	files, err := unpack(raw, l)
	if err != nil {
		return nil, err
	}
	b := &Bundle{raw: raw, files: files}
	sum := sha256.New()
	for _, name := range files.names() {
		b.Files = append(b.Files, File{name, len(files[name])})
		if name == signaturesName {
			continue
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(files[name]))
		sum.Write(files[name])
	}
	b.Digest = hex.EncodeToString(sum.Sum(nil))
	b.Signature, err = signatureOf(files)
	return b, err
}

// Revision is what the manifest says, or the beginning of the digest.
func (b *Bundle) Revision() string {
	if b.Manifest.Revision != "" {
		return b.Manifest.Revision
	}
	return b.ShortDigest()
}

// ShortDigest is the beginning of the digest.
func (b *Bundle) ShortDigest() string { return b.Digest[:12] }

// Raw is the archive as it was read.
func (b *Bundle) Raw() []byte { return b.raw }

// KeyID is who signed it, for logs; empty where nobody looked.
func (b *Bundle) KeyID() string {
	if !b.Verified || b.Signature == nil {
		return ""
	}
	return b.Signature.KeyID
}

// understand finds what a bundle means, and refuses what would mean nothing here: data and
// programs that no guardrail reads would be missed by nobody.
func (b *Bundle) understand() error {
	if err := b.Manifest.read(b.files[manifestName]); err != nil {
		return err
	}
	for _, name := range b.files.names() {
		switch base := path.Base(name); {
		case base == signaturesName && name != signaturesName:
			return Refuse(BadManifest, "%s: a signature is at the root of a bundle", name)
		case base == manifestName && name != manifestName, strings.HasSuffix(base, opa.ManifestProtoExt):
			return Refuse(BadManifest, "%s: want one manifest, %s, in JSON", name, manifestName)
		case base == "patch.json":
			return Refuse(BadManifest, "%s: a bundle of differences is not taken: build a whole one", name)
		case strings.HasSuffix(base, ".wasm"), base == opa.PlanFile, base == opa.PlanProtoFile:
			return Refuse(BadManifest, "%s: guardrails are Rego: build for the target rego", name)
		}
	}
	if err := b.Manifest.permit(b.files); err != nil {
		return err
	}
	return b.findConfig()
}

// findConfig finds the configuration, in one place.
func (b *Bundle) findConfig() error {
	var found []config
	if text, ok := b.files[ConfigName]; ok {
		found = append(found, config{ConfigName, text})
	}
	for _, name := range b.files.names() {
		if !isData(name) {
			continue
		}
		document, err := dataOf(name, b.files[name])
		if err != nil {
			return err
		}
		for key, value := range document {
			if key != ConfigData {
				return Refuse(BadManifest, "%s: data.%s: guardrails read no data of a bundle: give it to them as parameters (only data.%s is read: the configuration)", name, key, ConfigData)
			}
			// What was signed is the value, so that is what is read, and not the text again.
			text, err := json.MarshalIndent(value, "", "  ")
			if err != nil {
				return Refuse(BadManifest, "%s: %w", name, err)
			}
			found = append(found, config{name + "#/" + ConfigData, text})
		}
	}
	if len(found) == 0 {
		return Refuse(BadManifest, "the bundle has no configuration: want a file %s, or data.%s", ConfigName, ConfigData)
	}
	if len(found) > 1 {
		return Refuse(BadManifest, "the bundle has two configurations: %s and %s", found[0].name, found[1].name)
	}
	b.config = found[0]
	return nil
}

// sourceName is what errors and logs call the files of a bundle.
const sourceName = "bundle"

// Source is the Rego of the bundle.
func (b *Bundle) Source() (guardrail.Source, error) {
	archive := &txtar.Archive{}
	for _, name := range b.files.names() {
		if isGuardrail(name) {
			archive.Files = append(archive.Files, txtar.File{Name: name, Data: b.files[name]})
		}
	}
	files, err := txtar.FS(archive)
	if err != nil {
		return guardrail.Source{}, Refuse(Broken, "%w", err)
	}
	return guardrail.Source{Name: sourceName, FS: files}, nil
}

// Config is the configuration of the bundle, which knows its revision.
func (b *Bundle) Config() (*guardrail.Config, error) {
	c, err := guardrail.ParseConfig(path.Join(sourceName, b.config.name), b.config.text)
	if err != nil {
		return nil, &Refusal{Invalid, err}
	}
	c.FromBundle(b.Revision())
	return c, nil
}

// Load compiles the bundle beside other sources.
func (b *Bundle) Load(others ...guardrail.Source) (*guardrail.Library, *guardrail.Config, error) {
	source, err := b.Source()
	if err != nil {
		return nil, nil, err
	}
	library, err := guardrail.LoadLibrary(append(others, source)...)
	if err != nil {
		return nil, nil, &Refusal{Invalid, err}
	}
	c, err := b.Config()
	return library, c, err
}

// Try loads the bundle and throws away what came of it.
func (b *Bundle) Try(others ...guardrail.Source) error {
	library, c, err := b.Load(others...)
	if err != nil {
		return err
	}
	if _, err := guardrail.New(library, c); err != nil {
		return &Refusal{Invalid, err}
	}
	return nil
}
