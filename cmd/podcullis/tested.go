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

// testBench is what is tested.
type testBench struct {
	options regotest.Options
	dirs    []string // whose suites are run
	files   []string // suites that are named one by one
	named   []string // the arguments
}

// run runs the tests.
func (t *testBench) run(ctx context.Context, o *testOptions) (*regotest.Report, error) {
	options := t.options
	options.Run, options.Coverage, options.Timeout = o.chosen, o.coverage, o.timeout
	all := append(options.Guardrails[:len(options.Guardrails):len(options.Guardrails)], options.Tested...)
	suites, err := t.suites()
	if err != nil {
		return nil, hint(err, "docs/schemas/suite.schema.json has the fields of a suite")
	}
	b, err := newBench(all, o.config)
	if err != nil {
		return nil, err
	}
	options.Review = (&asker{bench: b, clusters: map[string]*scene{}}).ask
	options.Cases = casesOf(suites, b)
	r, err := regotest.Run(ctx, options)
	switch {
	case errors.Is(err, regotest.ErrNoTests):
		where := "no test in " + strings.Join(t.named, ", ")
		if o.run != "" {
			where += " matches --run " + o.run
		}
		return nil, hint(errors.New(where+": nothing to run"), "tests are rules whose names begin with test_, in files named *_test.rego, and suites in files named *_suite.yaml")
	case err != nil:
		return nil, hint(err, "correct the Rego")
	case r.Coverage != nil && len(r.Coverage.Files) == 0:
		return nil, hint(fmt.Errorf("--coverage: there is no guardrail in %s whose lines could be counted", strings.Join(t.named, ", ")), "name the directory with the guardrails; their tests may be below it")
	}
	return r, nil
}

func (t *testBench) suites() ([]suite.Suite, error) {
	var out []suite.Suite
	var errs []error
	for _, dir := range t.dirs {
		suites, err := suitesIn(dir)
		out, errs = append(out, suites...), append(errs, err)
	}
	for _, file := range t.files {
		suites, err := suitesOf(file)
		out, errs = append(out, suites...), append(errs, err)
	}
	return out, errors.Join(errs...)
}

// tested sorts what is named into the sources whose tests are run, and those that they need.
func (p *program) tested(o *testOptions, args []string) (*testBench, error) {
	t := &testBench{}
	dirs := slices.Clone(o.policyDirs)
	if len(args) == 0 {
		args, dirs = dirs, nil
	}
	if len(args) == 0 {
		return nil, hint(errors.New("no directory was given: nothing to test"), "name one with guardrails, *_test.rego files and *_suite.yaml files: `%s test DIR`", p.name)
	}
	var tested []string
	for _, a := range args {
		a = filepath.Clean(a)
		t.named = append(t.named, a)
		info, err := os.Stat(a)
		switch {
		case err != nil:
			return nil, hint(readable(err), "guardrails and their tests are in a directory with *.rego files, or tests are named file by file")
		case info.IsDir():
			tested, t.dirs = add(tested, a), add(t.dirs, a)
			continue
		case strings.HasSuffix(a, "_test.rego"):
			t.options.Files = append(t.options.Files, filepath.ToSlash(a))
		case isYAML(a):
			t.files = add(t.files, a)
		default:
			return nil, hint(errors.New(a+": is no file with tests"), "they are named *_test.rego, or hold a suite in YAML; guardrails are tested by those in their directory")
		}
		tested = add(tested, filepath.Dir(a))
	}
	switch {
	case len(t.dirs) > 0 && len(t.dirs) < len(t.named):
		return nil, hint(errors.New("directories and single files cannot be named together"), "name either")
	case len(t.dirs) == 0 && t.options.Files == nil:
		t.options.Files = []string{} // no Rego
	}
	for i, d := range dirs {
		dirs[i] = filepath.Clean(d)
	}
	all, err := authored(append(tested, dirs...))
	if err != nil {
		return nil, err
	}
	t.options.Guardrails = append(all[:1:1], all[1+len(tested):]...)
	t.options.Tested = all[1 : 1+len(tested)]
	return t, nil
}

// readable is an error about a file without what was done to it.
func readable(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return err
}
