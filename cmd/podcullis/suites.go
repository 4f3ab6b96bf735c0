package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/guardrail/regotest"
	"github.com/podcullis/podcullis/guardrail/suite"
)

// isYAML tells whether a file is one by its name.
func isYAML(file string) bool { return slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(file)) }

// suitesIn are the suites of a directory and of those below it, in the order of the files:
// those of files named *_suite.yaml, and of others that hold some.
func suitesIn(dir string) ([]suite.Suite, error) {
	var out []suite.Suite
	var errs []error
	err := fs.WalkDir(os.DirFS(dir), ".", func(below string, d fs.DirEntry, err error) error {
		path := filepath.Join(dir, filepath.FromSlash(below))
		switch {
		case err != nil:
			return err
		case d.IsDir() && below != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !isYAML(path):
			return nil
		}
		suites, err := suitesOf(path)
		if errors.Is(err, errNoSuite) && !suite.IsNamed(path) {
			return nil
		}
		errs = append(errs, err)
		out = append(out, suites...)
		return nil
	})
	return out, errors.Join(append(errs, err)...)
}

// errNoSuite is when a file holds none.
var errNoSuite = errors.New("no document of apiVersion " + suite.APIVersion + " and kind " + suite.Kind)

// suitesOf are the suites of a file.
func suitesOf(file string) ([]suite.Suite, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, readable(err)
	}
	if !suite.IsNamed(file) && !suite.LooksLike(text) {
		return nil, fmt.Errorf("%s: %w", file, errNoSuite)
	}
	suites, err := suite.Parse(filepath.ToSlash(file), text)
	if err == nil && len(suites) == 0 {
		err = fmt.Errorf("%s: %w", file, errNoSuite)
	}
	return suites, err
}

// casesOf are the tests of suites, which b has judged.
func casesOf(suites []suite.Suite, b *bench) []regotest.Case {
	stages := &stages{bench: b, asker: &asker{bench: b, clusters: map[string]*scene{}}, engines: map[string]*staged{}}
	var out []regotest.Case
	for _, s := range suites {
		for i := range s.Tests {
			t := &s.Tests[i]
			out = append(out, regotest.Case{
				File: t.File, Line: t.Line, Package: s.Name, Name: t.Name, Skip: t.Skip,
				Run: func(ctx context.Context, _ func(string, ...any)) ([]regotest.Mismatch, error) {
					answer, err := stages.judge(ctx, t)
					if err != nil {
						return nil, err
					}
					return t.Check(answer), nil
				},
			})
		}
	}
	return out
}
