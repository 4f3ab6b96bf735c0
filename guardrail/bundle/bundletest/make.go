// Package bundletest makes bundles for tests, good ones and bad ones.
package bundletest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/podcullis/podcullis/guardrail/bundle"
)

// Key is a pair in PEM.
type Key struct{ Private, Public []byte }

// NewKey makes an ECDSA key.
func NewKey(t testing.TB) Key {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pair(t, k, &k.PublicKey)
}

// NewRSAKey makes an RSA key.
func NewRSAKey(t testing.TB, bits int) Key {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return pair(t, k, &k.PublicKey)
}

func pair(t testing.TB, private, public any) Key {
	t.Helper()
	a, err1 := x509.MarshalPKCS8PrivateKey(private)
	b, err2 := x509.MarshalPKIXPublicKey(public)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return Key{pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: a}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b})}
}

// Build makes a bundle of a configuration alone, with a serial unless that is negative.
func Build(t testing.TB, revision string, serial int64, config string) []byte {
	t.Helper()
	p := bundle.Plan{Revision: revision, Config: []byte(config)}
	if serial >= 0 {
		p.Serial = &serial
	}
	raw, err := bundle.Build(p)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Sign signs a bundle as the key "team".
func Sign(t testing.TB, raw []byte, k Key, scope string, at time.Time) []byte {
	t.Helper()
	private, err := bundle.ParsePrivateKey("team", k.Private)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := bundle.Sign(raw, bundle.Signing{Key: private, Scope: scope, Now: at})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// Trust is that in a key.
func Trust(t testing.TB, k Key, scope string) bundle.Trust {
	t.Helper()
	public, err := bundle.ParsePublicKey("team", k.Public)
	if err != nil {
		t.Fatal(err)
	}
	return bundle.Trust{Keys: []bundle.PublicKey{public}, Scope: scope}
}

// Entry is one of an archive.
type Entry struct {
	tar.Header
	Text string
}

// File is a plain file.
func File(name, text string) Entry {
	return Entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, text}
}

// Entries are those of an archive.
func Entries(t testing.TB, raw []byte) (out []Entry) {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(zipped); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Entry{tar.Header{Typeflag: h.Typeflag, Name: h.Name, Mode: 0o644}, string(text)})
	}
}

// Archive makes an archive of whatever it is given.
func Archive(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, e := range entries {
		h := e.Header
		h.Size = int64(len(e.Text))
		if err := archive.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, e.Text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// With replaces the text of a file, or adds it.
func With(t testing.TB, raw []byte, name, text string) []byte {
	t.Helper()
	entries := Entries(t, raw)
	for i := range entries {
		if entries[i].Name == name {
			entries[i].Text = text
			return Archive(t, entries...)
		}
	}
	return Archive(t, append(entries, File(name, text))...)
}

// Without leaves a file out.
func Without(t testing.TB, raw []byte, name string) []byte {
	t.Helper()
	var left []Entry
	for _, e := range Entries(t, raw) {
		if e.Name != name {
			left = append(left, e)
		}
	}
	return Archive(t, left...)
}
