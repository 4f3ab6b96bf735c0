package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/gatekeeper"
)

// conftest are the flags that name what was written for Conftest.
type conftest struct {
	dirs, data, packages []string
}

func (o *conftest) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&o.dirs, "conftest", nil, "a `directory` with Rego of Conftest (deny, violation and warn rules over the object as input), alone without --config and --policy-dir; repeatable")
	f.StringArrayVar(&o.data, "conftest-data", nil, "a `file` or directory in YAML or JSON that the Rego of --conftest reads as data; repeatable")
	f.StringArrayVar(&o.packages, "conftest-namespace", nil, "a `package` of --conftest whose rules are asked, main if none is named; repeatable")
}

// addConftest adds what the flags name to a library. Alone is set where nothing else is asked for.
func (p *program) addConftest(l *guardrail.Library, o *conftest, nothingElse bool) (alone bool, err error) {
	if len(o.dirs) == 0 {
		if len(o.data)+len(o.packages) > 0 {
			return false, hint(errors.New("--conftest-data and --conftest-namespace are about --conftest, and none was given"), "name the Rego with --conftest DIR")
		}
		return false, nil
	}
	c := guardrail.Conftest{Packages: o.packages, Data: map[string]any{}}
	for _, dir := range o.dirs {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = errors.New(dir + ": is not a directory")
		}
		if err != nil {
			return false, hint(err, "--conftest names a directory with *.rego files, which Conftest calls --policy")
		}
		c.Sources = append(c.Sources, guardrail.Source{Name: dir, FS: os.DirFS(dir)})
	}
	for _, name := range o.data {
		if err := readData(c.Data, name); err != nil {
			return false, hint(err, "--conftest-data names YAML or JSON; what two files say of one key cannot be put together")
		}
	}
	others, err := l.AddConftest(c)
	if err != nil {
		return false, hint(err, "correct the Rego, or name its package with --conftest-namespace")
	}
	if len(others) > 0 {
		p.say("note: not asked, as --conftest-namespace does not name them: packages %s", strings.Join(others, ", "))
	}
	return nothingElse, nil
}

// readData reads a file into data, or the files of a directory, whose folders are keys.
func readData(data map[string]any, name string) error {
	return filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path != name && !gatekeeper.IsManifest(path) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var v map[string]any
		if err := k8syaml.Unmarshal(text, &v); err != nil {
			return fmt.Errorf("%s: want an object: %w", path, err)
		}
		at := data
		inside, err := filepath.Rel(name, filepath.Dir(path))
		if err != nil || path == name {
			inside = "."
		}
		for _, step := range strings.Split(filepath.ToSlash(inside), "/") {
			if step == "." {
				continue
			}
			inner, ok := at[step].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[step] = inner
			}
			at = inner
		}
		return merge(at, v, []string{path})
	})
}

func merge(into, from map[string]any, at []string) error {
	for key, v := range from {
		place := append(slices.Clone(at), key)
		there, known := into[key]
		if !known {
			into[key] = v
			continue
		}
		a, ok := there.(map[string]any)
		b, too := v.(map[string]any)
		if !ok || !too {
			return fmt.Errorf("%s: %s is said by another file, too", at[0], strings.Join(place[1:], "."))
		}
		if err := merge(a, b, place); err != nil {
			return err
		}
	}
	return nil
}
