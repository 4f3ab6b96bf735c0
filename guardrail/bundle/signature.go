package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	opa "github.com/open-policy-agent/opa/v1/bundle"
)

// signaturesName is the file with the signature.
const signaturesName = ".signatures.json"

// Signature is what a bundle's signature says. It is worth something only where the bundle was verified.
type Signature struct {
	KeyID     string
	Algorithm string
	Scope     string
	// Signed is when it was signed; zero if the signature does not say.
	Signed time.Time
	// Files is how many files it names.
	Files int

	token string
	files map[string]opa.FileInfo
}

// strongHashes are by which a file may have been signed: with others two files can be made that have one sum.
func strongHashes() []string { return []string{"SHA-256", "SHA-384", "SHA-512", "SHA-512-256"} }

// signatureOf reads the signature of a bundle, and believes nothing of it; nil if there is none.
func signatureOf(files contents) (*Signature, error) {
	text, ok := files[signaturesName]
	if !ok {
		return nil, nil //nolint:nilnil // no signature is no error here: who needs one says so
	}
	var list opa.SignaturesConfig
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, Refuse(BadSignature, "%s: %w", signaturesName, err)
	}
	if len(list.Signatures) != 1 {
		return nil, Refuse(BadSignature, "%s has %d signatures: want one", signaturesName, len(list.Signatures))
	}
	if list.Plugin != "" && list.Plugin != "_default" {
		return nil, Refuse(BadSignature, "%s: plugin %.100q is not known here", signaturesName, list.Plugin)
	}
	s := &Signature{token: list.Signatures[0], files: map[string]opa.FileInfo{}}
	if err := s.read(); err != nil {
		return nil, Refuse(BadSignature, "%s: %w", signaturesName, err)
	}
	return s, nil
}

// read takes a token apart.
func (s *Signature) read() error {
	parts := strings.Split(s.token, ".")
	if len(parts) != 3 {
		return errors.New("the signature is no JSON Web Token")
	}
	var header map[string]any
	var payload struct {
		opa.DecodedSignature
		IssuedAt json.Number `json:"iat"` // which may have a fraction
	}
	for i, into := range []any{&header, &payload} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return errors.New("the signature is no JSON Web Token")
		}
		if err := json.Unmarshal(text, into); err != nil {
			return errors.New("the signature is no JSON Web Token")
		}
	}
	for _, field := range []string{"crit", "b64"} {
		if _, ok := header[field]; ok {
			return errors.New("the signature's header has " + field + ", which is not known here")
		}
	}
	s.Algorithm, _ = header["alg"].(string)
	s.KeyID, _ = header["kid"].(string)
	if s.KeyID == "" {
		s.KeyID = payload.KeyID
	}
	s.Scope, s.Files = payload.Scope, len(payload.Files)
	if at, err := payload.IssuedAt.Float64(); err == nil && at > 0 {
		s.Signed = time.Unix(int64(at), 0).UTC()
	}
	for _, f := range payload.Files {
		s.files[strings.TrimPrefix(f.Name, "/")] = f
	}
	return nil
}

// Trust is who may sign a bundle, and for what.
type Trust struct {
	Keys []PublicKey
	// Scope is what a signature has to be for; empty is one that names none.
	Scope string
	// Unsigned takes bundles whoever made them, and looks at no signature.
	Unsigned bool
}

// check verifies the signature of a bundle and each file by it.
func (t Trust) check(s *Signature, files contents) error {
	if t.Unsigned {
		return nil
	}
	if s == nil {
		return Refuse(Unsigned, "the bundle is not signed: `podcullis bundle sign` signs it")
	}
	if err := t.signed(s); err != nil {
		return err
	}
	if s.Scope != t.Scope {
		return Refuse(Scope, "the bundle is signed for the scope %.100q: want %q", s.Scope, t.Scope)
	}
	left := maps.Clone(s.files)
	for _, name := range files.names() {
		if name == signaturesName {
			continue
		}
		f, ok := left[name]
		if !ok {
			return Refuse(Tampered, "the signature does not name %q", name)
		}
		if !slices.Contains(strongHashes(), f.Algorithm) {
			return Refuse(BadSignature, "%q is signed by its %.50q: want %s", name, f.Algorithm, strings.Join(strongHashes(), ", "))
		}
		if err := opa.VerifyBundleFile(name, *bytes.NewBuffer(files[name]), left); err != nil {
			return Refuse(Tampered, "%q is not what was signed", name)
		}
	}
	if len(left) > 0 {
		return Refuse(Tampered, "the signature names %q, which the bundle lacks", slices.Min(slices.Collect(maps.Keys(left))))
	}
	return nil
}

// signed tells whether one of the trusted keys made the signature.
func (t Trust) signed(s *Signature) error {
	if len(t.Keys) == 0 {
		return Refuse(Key, "no key is trusted: a bundle needs one, or leave to take unsigned ones")
	}
	known := false
	for _, k := range t.Keys {
		if k.ID != "" && k.ID != s.KeyID || !slices.Contains(k.algorithms, s.Algorithm) {
			continue
		}
		known = true
		// The scope is compared afterwards, so that another scope is told from a forgery.
		by := opa.NewVerificationConfig(map[string]*opa.KeyConfig{"trusted": {Key: k.pem, Algorithm: s.Algorithm}}, "trusted", s.Scope, nil)
		if _, err := opa.VerifyBundleSignature(opa.SignaturesConfig{Signatures: []string{s.token}}, by); err == nil {
			return nil
		}
	}
	if !known {
		return Refuse(Key, "the bundle is signed by the key %.100q with %.20q, and no trusted key is of that name and kind; trusted: %s", s.KeyID, s.Algorithm, t.names())
	}
	return Refuse(BadSignature, "the signature by the key %.100q is by none of the trusted keys: %s", s.KeyID, t.names())
}

func (t Trust) names() string {
	var out []string
	for _, k := range t.Keys {
		name := k.ID
		if name == "" {
			name = "(any name)"
		}
		out = append(out, name+" "+k.algorithms[0])
	}
	return strings.Join(out, ", ")
}
