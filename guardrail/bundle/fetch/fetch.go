package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"github.com/podcullis/podcullis/guardrail/bundle"
)

// Options are how a bundle is fetched.
type Options struct {
	// CAFile holds the certificates by which a server is known; the system's when empty.
	CAFile string
	// TokenFile holds a bearer token; it is read for each question.
	TokenFile string
	// RegistryConfig holds the credentials of registries in the form of Docker's config.json.
	RegistryConfig string
	// Limits bound what is read; zero is the default.
	Limits bundle.Limits
	// Patience bounds how long it takes; zero is the default.
	Patience Patience
	// UserAgent is how it names itself.
	UserAgent string
}

// Answer is what came.
type Answer struct {
	Raw []byte
	// Tag tells what came from other answers of the same place.
	Tag string
	// Unchanged is set, and Raw is not, where it is what had the tag that was asked with.
	Unchanged bool
}

// Source is one place.
type Source struct {
	address Address
	options Options
}

// New makes a source. It asks nobody; that flags do not fit is an error here.
func New(a Address, o Options) (*Source, error) {
	if o.Limits == (bundle.Limits{}) {
		o.Limits = bundle.DefaultLimits()
	}
	o.Patience = o.Patience.orDefault()
	switch {
	case a.file != "" && (o.CAFile != "" || o.TokenFile != "" || o.RegistryConfig != ""):
		return nil, errors.New("a file is read without credentials and certificates")
	case o.RegistryConfig != "" && !a.IsOCI():
		return nil, errors.New("credentials of registries are for oci:// addresses")
	case o.RegistryConfig != "" && o.TokenFile != "":
		return nil, errors.New("a token and credentials of registries: give one of them, got both")
	case (o.TokenFile != "" || o.RegistryConfig != "") && a.exposes():
		return nil, errors.New("credentials are not sent without TLS: use https:// or oci://")
	}
	return &Source{a, o}, nil
}

// Address is where it is.
func (s *Source) Address() Address { return s.address }

// Fetch asks for the bundle. Tag is that of an earlier answer, or empty.
func (s *Source) Fetch(ctx context.Context, tag string) (Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Patience.Whole, errTooLong)
	defer cancel()
	switch {
	case s.address.file != "":
		return s.fromFile(tag)
	case s.address.web != nil:
		return s.fromWeb(ctx, tag)
	}
	return s.fromRegistry(ctx, tag)
}

func (s *Source) fromFile(tag string) (Answer, error) {
	file, err := os.Open(s.address.file)
	if err != nil {
		return Answer{}, bundle.Refuse(bundle.Unreachable, "%w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() {
		return Answer{}, bundle.Refuse(bundle.Unreachable, "%s: is no file", s.address)
	}
	raw, err := s.all(file)
	if err != nil {
		return Answer{}, err
	}
	sum := sha256.Sum256(raw)
	return answer(raw, hex.EncodeToString(sum[:]), tag), nil
}

func answer(raw []byte, tag, asked string) Answer {
	if tag != "" && tag == asked {
		return Answer{Tag: tag, Unchanged: true}
	}
	return Answer{Raw: raw, Tag: tag}
}

// all reads up to the limit.
func (s *Source) all(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, s.options.Limits.Compressed+1))
	if err != nil {
		return nil, s.failure(err)
	}
	if int64(len(raw)) > s.options.Limits.Compressed {
		return nil, bundle.Refuse(bundle.TooLarge, "%s: has more than %d bytes", s.address, s.options.Limits.Compressed)
	}
	return raw, nil
}
