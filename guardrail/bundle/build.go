package bundle

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	opa "github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/gatekeeper"
)

// Plan is what a bundle is to be made of.
type Plan struct {
	Revision string
	// Serial is that of the manifest; nil for none.
	Serial *int64
	// Config is the text of the configuration.
	Config []byte
	// Rego are the guardrails, but for their tests.
	Rego []guardrail.Source
}

// regoDir is where guardrails are in a bundle.
const regoDir = "rego"

// Build makes a bundle. The same plan makes the same bytes.
func Build(p Plan) ([]byte, error) {
	if !fine(p.Revision) {
		return nil, Refuse(BadManifest, "revision: want one line of at most %d bytes, got %.200q", maxRevision, p.Revision)
	}
	files := contents{ConfigName: p.Config}
	from := map[string]string{}
	for _, s := range p.Rego {
		if err := regoAlone(s); err != nil {
			return nil, err
		}
		if err := collect(s, files, from); err != nil {
			return nil, err
		}
	}
	manifest := map[string]any{"revision": p.Revision, "roots": ownRoots(), "rego_version": 1}
	if p.Serial != nil {
		manifest["metadata"] = map[string]any{"podcullis": map[string]any{"serial": *p.Serial}}
	}
	var err error
	if files[manifestName], err = json.Marshal(manifest); err != nil {
		return nil, err
	}
	return pack(files)
}

// ErrForeign is that something of Gatekeeper was to go into a bundle.
var ErrForeign = errors.New("bundles hold nothing of Gatekeeper")

// foreign says which things those are.
type foreign struct{ error }

func (f foreign) Is(err error) bool { return err == ErrForeign }

// regoAlone refuses a source with something of Gatekeeper: without it the bundle would deny less
// than the folder that it is made of. Suites are tests, which are left out as those in Rego are.
func regoAlone(s guardrail.Source) error {
	set, err := gatekeeper.Read(s.Name, s.FS)
	if err != nil {
		return Refuse(Broken, "%w", err)
	}
	var errs []error
	for _, t := range set.Templates {
		errs = append(errs, fmt.Errorf("%s: template %s cannot go into a bundle: bundles hold Rego guardrails and a configuration, and without it less would be denied", t.Place(), t.Kind))
	}
	for _, c := range set.Constraints {
		errs = append(errs, fmt.Errorf("%s: constraint %s cannot go into a bundle: bundles hold Rego guardrails and a configuration, and without it less would be denied", c.Place(), c.Title()))
	}
	if len(errs) > 0 {
		return Refuse(Broken, "%w", foreign{errors.Join(errs...)})
	}
	return nil
}

// collect takes the guardrails of a source in.
func collect(s guardrail.Source, files contents, from map[string]string) error {
	return fs.WalkDir(s.FS, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !isGuardrail(p):
			return nil
		}
		name := path.Join(regoDir, p)
		if other, twice := from[name]; twice {
			return Refuse(Broken, "%s is in %s and in %s: rename one of them", p, other, s.Name)
		}
		from[name] = s.Name
		files[name], err = fs.ReadFile(s.FS, p)
		return err
	})
}

// isGuardrail tells whether a file is one that servers load.
func isGuardrail(name string) bool {
	return strings.HasSuffix(name, opa.RegoExt) && !strings.HasSuffix(name, "_test.rego")
}

// Signing is how a bundle is signed.
type Signing struct {
	Key PrivateKey
	// Algorithm is that of the key when empty.
	Algorithm string
	Scope     string
	// Now is the time that the signature has.
	Now time.Time
}

// Sign signs a bundle, in place of who signed it before, whatever is in it. It is OPA's signature,
// of OPA's own signer.
func Sign(raw []byte, s Signing) ([]byte, error) {
	files, err := unpack(raw, DefaultLimits())
	if err != nil {
		return nil, err
	}
	if s.Algorithm == "" {
		s.Algorithm = s.Key.algorithms[0]
	}
	files = maps.Clone(files)
	delete(files, signaturesName)
	var list []opa.FileInfo
	for _, name := range files.names() {
		sum, err := hash(name, files[name])
		if err != nil {
			return nil, Refuse(Broken, "%s: %w", name, err)
		}
		list = append(list, opa.NewFile(name, sum, string(opa.SHA256)))
	}
	claims, remove, err := claimsFile(s)
	if err != nil {
		return nil, err
	}
	defer remove()
	token, err := opa.GenerateSignedToken(list, opa.NewSigningConfig(s.Key.pem, s.Algorithm, claims), s.Key.ID)
	if err != nil {
		return nil, Refuse(BadSignature, "sign by %s: %w", s.Algorithm, err)
	}
	if files[signaturesName], err = json.Marshal(opa.SignaturesConfig{Signatures: []string{token}}); err != nil {
		return nil, err
	}
	signed, err := pack(files)
	if err != nil {
		return nil, err
	}
	// A signature that nobody can verify is found here, and not by all servers.
	b, err := open(signed, DefaultLimits())
	if err != nil {
		return nil, err
	}
	return signed, Trust{Keys: []PublicKey{s.Key.public}, Scope: s.Scope}.check(b.Signature, b.files)
}

// hash is the sum of a file as OPA forms it: of documents it is that of what they mean.
func hash(name string, text []byte) (string, error) {
	hasher, err := opa.NewSignatureHasher(opa.SHA256)
	if err != nil {
		return "", err
	}
	var value any = text
	if opa.IsStructuredDoc(name) {
		value = nil
		if err := util.Unmarshal(text, &value); err != nil {
			return "", err
		}
	}
	sum, err := hasher.HashFile(value)
	return hex.EncodeToString(sum), err
}

// claimsFile is what a signature says beside the files. OPA's signer takes it as a file.
func claimsFile(s Signing) (name string, remove func(), err error) {
	claims := map[string]any{"keyid": s.Key.ID}
	if s.Scope != "" {
		claims["scope"] = s.Scope
	}
	if !s.Now.IsZero() {
		claims["iat"] = s.Now.Unix()
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "podcullis-claims-")
	if err != nil {
		return "", nil, err
	}
	name = filepath.Join(dir, "claims.json")
	return name, func() { _ = os.RemoveAll(dir) }, os.WriteFile(name, text, 0o600)
}
