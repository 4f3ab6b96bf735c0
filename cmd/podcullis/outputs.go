package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/report"
)

// outputs are the values of -o: FORMAT for standard output, FORMAT=PATH for a file.
type outputs struct {
	formats []string // of the command, the default first
	flags   []string
	targets []target
}

type target struct{ format, path string } // path is empty for standard output

// writers write the answer of a command, by format.
type writers map[string]func(io.Writer, report.Style) error

func (o *outputs) addFlags(c *cobra.Command) {
	c.Flags().StringArrayVarP(&o.flags, "output", "o", nil,
		"the `format`: "+strings.Join(o.formats, ", ")+"; FORMAT=PATH writes a file; repeatable (default "+o.formats[0]+")")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(o.formats, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// parse checks the values, before any work is done.
func (o *outputs) parse() error {
	o.targets = nil
	for _, value := range o.flags {
		format, path, named := strings.Cut(value, "=")
		if err := oneOf("output", format, o.formats...); err != nil {
			return err
		}
		if named && path == "" {
			return hint(fmt.Errorf("--output %s names no file", value), "write %sFILE, or %s for standard output", value, format)
		}
		if path != "" {
			path = filepath.Clean(path)
		}
		for _, t := range o.targets {
			switch {
			case t.path != path:
			case path == "":
				return hint(fmt.Errorf("--output: %s and %s both go to standard output", t.format, format), "give one of them a file: -o %s=FILE", format)
			default:
				return hint(fmt.Errorf("--output: %s and %s both go to %s", t.format, format, path), "give each a file of its own")
			}
		}
		o.targets = append(o.targets, target{format, path})
	}
	if len(o.targets) == 0 {
		o.targets = []target{{format: o.formats[0]}}
	}
	return nil
}

// toStdout tells whether one of some formats goes to standard output.
func (o *outputs) toStdout(formats ...string) bool {
	return slices.ContainsFunc(formats, func(f string) bool { return slices.Contains(o.targets, target{format: f}) })
}

// write writes every output that was asked for.
func (o *outputs) write(p *program, by writers) error {
	for _, t := range o.targets {
		if t.path == "" {
			if err := by[t.format](p.stdout, p.style()); err != nil {
				return err
			}
			continue
		}
		var b bytes.Buffer
		if err := by[t.format](&b, report.Style{}); err != nil {
			return err
		}
		if err := writeFile(t.path, b.Bytes()); err != nil {
			return hint(err, "-o %s=FILE needs a directory that is there and can be written", t.format)
		}
		p.say("Wrote %s to %s", t.format, t.path)
	}
	return nil
}

// asYAML writes in YAML what somebody writes in JSON.
func asYAML(w io.Writer, inJSON func(io.Writer) error) error {
	var b bytes.Buffer
	if err := inJSON(&b); err != nil {
		return err
	}
	text, err := yaml.JSONToYAML(b.Bytes())
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// writeFile replaces a file as a whole: who reads it sees the old one or the new one.
func writeFile(path string, data []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, data, 0o644) // a pipe or a device; a directory is an error
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".podcullis-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // which is nobody's once it is renamed
	if _, err = f.Write(data); err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// oneOf checks the value of a flag.
func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	wrong := fmt.Errorf("--%s must be one of %s, got %q", flag, strings.Join(allowed, ", "), value)
	if near := nearest(value, allowed); len(near) > 0 && value != "" {
		return hint(wrong, "did you mean %s?", near[0])
	}
	return hint(wrong, "leave --%s out for the default", flag)
}
