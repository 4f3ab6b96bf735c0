// Package deptest checks what a package imports. Its test stands in that package, and not
// in one central place, where go test's cache would not notice a change.
package deptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Module is this one.
const Module = "github.com/podcullis/podcullis"

// API are what asks an API server.
var API = []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"}

// IO are what reads and writes, logs, and guesses.
var IO = []string{"os", "io", "net$", "net/http", "log", "log/slog", "math/rand", "k8s.io/klog/v2", "github.com/go-logr/logr"}

// OPA is what evaluates Rego.
const OPA = "github.com/open-policy-agent/opa"

// None is no package at all, where nil is any.
var None = []string{}

// Rule is what a package may depend on. Packages are named by prefixes of their paths, whole
// elements of them; with a $ at the end it is that package alone.
type Rule struct {
	// Ours are what it imports of this module, exactly, by paths below it; nil is any of it.
	Ours []string
	// Others are what it imports of other modules; nil is any.
	Others []string
	// Not are what it does not import itself.
	Not []string
	// NotLinked are what does not get into a program with it, by whatever way.
	NotLinked []string
}

// Check checks the packages of a directory, given as for go list.
func (r Rule) Check(t *testing.T, pattern string) {
	t.Helper()
	for _, p := range list(t, pattern) {
		for _, path := range p.Imports {
			if why := r.forbids(path); !p.DepOnly && why != "" {
				t.Errorf("%s must not import %s: %s", p.ImportPath, path, why)
			}
		}
		if banned := which(p.ImportPath, r.NotLinked); banned != "" {
			t.Errorf("%s links %s", pattern, p.ImportPath)
		}
	}
}

func (r Rule) forbids(path string) string {
	first, _, _ := strings.Cut(path, "/")
	ours, isOurs := strings.CutPrefix(path, Module+"/")
	switch {
	case which(path, r.Not) != "":
		return "it is among what it must not import"
	case isOurs && r.Ours != nil && !slices.Contains(r.Ours, ours):
		return "of ours it may import " + oneOf(r.Ours)
	case !isOurs && strings.Contains(first, ".") && r.Others != nil && which(path, r.Others) == "":
		return "of other modules it may import " + oneOf(r.Others)
	}
	return ""
}

func oneOf(paths []string) string {
	if len(paths) == 0 {
		return "nothing"
	}
	return strings.Join(paths, ", ")
}

// which is the prefix that a path has, "" if none.
func which(path string, prefixes []string) string {
	for _, p := range prefixes {
		if exact, isExact := strings.CutSuffix(p, "$"); isExact {
			if path == exact {
				return p
			}
			continue
		}
		if path == p || strings.HasPrefix(path, strings.TrimSuffix(p, "/")+"/") {
			return p
		}
	}
	return ""
}

type listed struct {
	ImportPath string
	Imports    []string
	DepOnly    bool
}

func list(t *testing.T, pattern string) (out []listed) {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,DepOnly", pattern).Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
}
