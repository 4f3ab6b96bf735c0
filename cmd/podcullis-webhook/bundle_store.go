package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/podcullis/podcullis/guardrail/bundle"
	"github.com/podcullis/podcullis/guardrail/bundle/fetch"
)

// storedName is the last good bundle in --bundle-dir.
const storedName = "bundle.tar.gz"

// stored is the bundle that was kept, nil if there is none. It is verified and compiled like one
// that is new: the directory may be anybody's, and the keys may have changed.
func (s *bundles) stored(ctx context.Context) (*bundle.Bundle, error) {
	if s.options.dir == "" {
		return nil, nil //nolint:nilnil // nothing is kept
	}
	address, err := fetch.ParseAddress(filepath.Join(s.options.dir, storedName))
	if err != nil {
		return nil, &bundle.Refusal{Reason: bundle.Storage, Err: err}
	}
	source, err := fetch.New(address, fetch.Options{})
	if err != nil {
		return nil, &bundle.Refusal{Reason: bundle.Storage, Err: err}
	}
	got, err := source.Fetch(ctx, "")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nothing is kept yet
	}
	if err != nil {
		return nil, &bundle.Refusal{Reason: bundle.Storage, Err: err}
	}
	return s.read(got.Raw)
}

// keep stores a bundle. Whoever reads it sees the old one or the new one, and no part.
func (s *bundles) keep(b *bundle.Bundle) error {
	if s.options.dir == "" {
		return nil
	}
	file, err := os.CreateTemp(s.options.dir, storedName+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // which is not there any more when all went well
	_, err = file.Write(b.Raw())
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(s.options.dir, storedName))
}
