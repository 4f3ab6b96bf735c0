package bundle

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// PublicKey is one that bundles may be signed by.
type PublicKey struct {
	// ID is what a signature has to call the key; where it is empty any name will do.
	ID string

	pem        string
	algorithms []string
}

// minRSA is how many bits an RSA key has at least.
const minRSA = 2048

// ParsePublicKey reads a key in PEM: a public key, or a certificate. A signature is checked by
// the algorithms of that kind of key and by no other, whatever it says itself: a public key
// is never the secret of an HMAC.
func ParsePublicKey(id string, text []byte) (PublicKey, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return PublicKey{}, errors.New("is no key in PEM: want -----BEGIN PUBLIC KEY-----")
	case strings.Contains(block.Type, "PRIVATE"):
		return PublicKey{}, errors.New("is a private key: who checks signatures needs the public one, which `openssl pkey -pubout` makes of it")
	}
	if more, _ := pem.Decode(rest); more != nil {
		return PublicKey{}, errors.New("holds several keys: give each a file of its own")
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = c.PublicKey
		}
	default:
		return PublicKey{}, fmt.Errorf("is a %s: want PUBLIC KEY or CERTIFICATE", block.Type)
	}
	if err != nil {
		return PublicKey{}, err
	}
	algorithms, err := algorithmsOf(key)
	if err != nil {
		return PublicKey{}, err
	}
	// OPA is always given the one form that it reads of every kind of key.
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, err
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return PublicKey{ID: id, pem: string(text), algorithms: algorithms}, nil
}

// algorithmsOf are those that a public key can be asked with; the first is what it signs by.
func algorithmsOf(key any) ([]string, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return nil, fmt.Errorf("is an RSA key of %d bits: want at least %d", k.N.BitLen(), minRSA)
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return []string{"ES256"}, nil
		case elliptic.P384():
			return []string{"ES384"}, nil
		case elliptic.P521():
			return []string{"ES512"}, nil
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	}
	return nil, errors.New("is of a kind that signs no bundles: want RSA, ECDSA (P-256, P-384, P-521) or Ed25519")
}

// PrivateKey signs bundles.
type PrivateKey struct {
	// ID is what its signatures call it.
	ID string

	pem        string
	public     PublicKey
	algorithms []string
}

// ParsePrivateKey reads a key in PEM, which is not encrypted. Without an id the key is called by the
// beginning of the SHA-256 of its public half.
func ParsePrivateKey(id string, text []byte) (PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return PrivateKey{}, errors.New("is no key in PEM: want -----BEGIN PRIVATE KEY-----")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return PrivateKey{}, fmt.Errorf("is a %s: want PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY, not encrypted", block.Type)
	}
	if err != nil {
		return PrivateKey{}, err
	}
	var public any
	switch k := key.(type) {
	case *rsa.PrivateKey:
		public = &k.PublicKey
	case *ecdsa.PrivateKey:
		public = &k.PublicKey
	case ed25519.PrivateKey:
		public = k.Public()
	}
	algorithms, err := algorithmsOf(public)
	if err != nil {
		return PrivateKey{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return PrivateKey{}, err
	}
	if id == "" {
		sum := sha256.Sum256(der)
		id = hex.EncodeToString(sum[:8])
	}
	half, err := ParsePublicKey(id, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		return PrivateKey{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return PrivateKey{}, err
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return PrivateKey{ID: id, pem: string(text), public: half, algorithms: algorithms}, nil
}

// Public is the half that checks.
func (k PrivateKey) Public() PublicKey { return k.public }
