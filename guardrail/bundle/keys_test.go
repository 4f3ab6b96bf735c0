package bundle_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/bundletest"
)

func TestKeysThatAreNone(t *testing.T) {
	weak := bundletest.NewRSAKey(t, 1024)
	good := bundletest.NewKey(t)
	for name, test := range map[string]struct{ text, says string }{
		"ASecret":      {"s3cr3t", "is no key in PEM"},
		"APrivateKey":  {string(good.Private), "is a private key"},
		"AShortKey":    {string(weak.Public), "RSA key of 1024 bits: want at least 2048"},
		"TwoKeys":      {string(good.Public) + string(weak.Public), "holds several keys"},
		"SomethingPEM": {string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL"})), "is a X509 CRL: want PUBLIC KEY or CERTIFICATE"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := bundle.ParsePublicKey("", []byte(test.text)); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("want %q, got %v", test.says, err)
			}
		})
	}
	if _, err := bundle.ParsePrivateKey("", weak.Private); err == nil {
		t.Error("a short key signs")
	}
}

// A key is rotated by trusting both for a while.
func TestOneOfSeveralKeysIsEnough(t *testing.T) {
	old, next := bundletest.NewKey(t), bundletest.NewRSAKey(t, 2048)
	var trust bundle.Trust
	for _, k := range []bundletest.Key{old, next} {
		public, err := bundle.ParsePublicKey("", k.Public)
		if err != nil {
			t.Fatal(err)
		}
		trust.Keys = append(trust.Keys, public)
	}
	for _, k := range []bundletest.Key{old, next} {
		if _, err := bundle.Read(bundletest.Sign(t, bundletest.Build(t, "a", 1, configText), k, "", signedAt), bundle.Options{Trust: trust}); err != nil {
			t.Error(err)
		}
	}
	if _, err := bundle.Read(bundletest.Sign(t, bundletest.Build(t, "a", 1, configText), bundletest.NewKey(t), "", signedAt), bundle.Options{Trust: trust}); err == nil {
		t.Error("a third key is trusted")
	}
}

func TestEd25519(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	key := bundletest.Key{Private: encode("PRIVATE KEY", der, err)}
	der, err = x509.MarshalPKIXPublicKey(public)
	key.Public = encode("PUBLIC KEY", der, err)
	raw := bundletest.Sign(t, bundletest.Build(t, "a", 1, configText), key, "", signedAt)
	if _, err := bundle.Read(raw, bundle.Options{Trust: bundletest.Trust(t, key, "")}); err != nil {
		t.Error(err)
	}
}
