package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/gatekeeper"
	"github.com/podcullis/podcullis/guardrail/regotest"
)

// gatekeeperSuites are the suites of Gatekeeper in a file, or in a directory and below it. A
// file that is none of these has none.
func gatekeeperSuites(name string) ([]*gatekeeper.Suite, error) {
	var out []*gatekeeper.Suite
	var errs []error
	err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != name && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !gatekeeper.IsManifest(path):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte("test.gatekeeper.sh/")) && !gatekeeper.Misspelt(text) {
			return err
		}
		set := &gatekeeper.Set{}
		errs = append(errs, set.Add(filepath.ToSlash(path), text))
		out = append(out, set.Suites...)
		return nil
	})
	return out, errors.Join(append(errs, err)...)
}

// gatekeeperCases are the cases of suites, each as a test.
func gatekeeperCases(suites []*gatekeeper.Suite) []regotest.Case {
	var out []regotest.Case
	for _, s := range suites {
		dir := filepath.Dir(filepath.FromSlash(s.File))
		for i := range s.Tests {
			t := &gatekeeperTest{SuiteTest: &s.Tests[i], dir: dir}
			t.engine = sync.OnceValues(t.load)
			skip := ""
			if s.Skip || t.Skip {
				skip = "skip: true"
			}
			one := regotest.Case{File: s.File, Line: t.Line, Package: s.Name, Name: t.Name, Skip: skip, Run: t.refused}
			if t.Invalid {
				out = append(out, one)
				continue
			}
			if len(t.Cases) == 0 {
				one.Run = func(context.Context, func(string, ...any)) ([]regotest.Mismatch, error) {
					_, err := t.engine()
					return nil, err
				}
				out = append(out, one)
			}
			for n := range t.Cases {
				c := &t.Cases[n]
				one := regotest.Case{File: s.File, Line: c.Line, Package: s.Name, Name: t.Name + "/" + c.Name, Skip: skip}
				if c.Skip {
					one.Skip = "skip: true"
				}
				one.Run = func(ctx context.Context, say func(string, ...any)) ([]regotest.Mismatch, error) {
					return t.judge(ctx, c, say)
				}
				out = append(out, one)
			}
		}
	}
	return out
}

// gatekeeperTest is a template and a constraint under test.
type gatekeeperTest struct {
	*gatekeeper.SuiteTest
	dir    string
	engine func() (*guardrail.Engine, error)
}

func (t *gatekeeperTest) load() (*guardrail.Engine, error) {
	if t.Expansion != "" {
		return nil, fmt.Errorf("expansion: %s: what an ExpansionTemplate would make is not made here: judge the Pod itself, or leave the case to gator", t.Expansion)
	}
	set := &gatekeeper.Set{}
	for _, name := range []string{t.Template, t.Constraint} {
		text, err := os.ReadFile(filepath.Join(t.dir, name))
		if err != nil {
			return nil, err
		}
		if err := set.Add(filepath.ToSlash(filepath.Join(t.dir, name)), text); err != nil {
			return nil, err
		}
	}
	switch {
	case len(set.Templates) == 0:
		return nil, fmt.Errorf("%s: holds no ConstraintTemplate", filepath.Join(t.dir, t.Template))
	case len(set.Constraints) == 0:
		return nil, fmt.Errorf("%s: holds no constraint", filepath.Join(t.dir, t.Constraint))
	}
	return guardrail.NewOfGatekeeper(set)
}

// refused is a test of a constraint that the schema of its template must refuse.
func (t *gatekeeperTest) refused(context.Context, func(string, ...any)) ([]regotest.Mismatch, error) {
	_, err := t.engine()
	switch {
	case guardrail.Invalid(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []regotest.Mismatch{{Line: t.Line, Text: "invalid: the constraint was taken, want it refused by the template's schema"}}, nil
}

func (t *gatekeeperTest) judge(ctx context.Context, c *gatekeeper.SuiteCase, say func(string, ...any)) ([]regotest.Mismatch, error) {
	engine, err := t.engine()
	if err != nil {
		return nil, err
	}
	if err := engine.Beyonds(); err != nil && c == &t.Cases[0] {
		say("only in tests: %v", err)
	}
	r, err := t.review(c)
	if err != nil {
		return nil, err
	}
	found, err := engine.Reported(ctx, r)
	if err != nil {
		return nil, err
	}
	var messages []string
	for _, v := range found {
		messages = append(messages, v.Message)
	}
	var out []regotest.Mismatch
	for _, a := range c.Assertions {
		if why := a.Holds(messages); why != "" {
			m := regotest.Mismatch{Line: a.Line, Text: "violations: " + why}
			for _, text := range messages {
				m.More = append(m.More, "reported: "+text)
			}
			out = append(out, m)
		}
	}
	return out, nil
}

// review is what is asked about the object of a case.
func (t *gatekeeperTest) review(c *gatekeeper.SuiteCase) (guardrail.Review, error) {
	var r guardrail.Review
	objects, err := objectsIn(filepath.Join(t.dir, c.Object))
	if err != nil {
		return r, err
	}
	if len(objects) != 1 {
		return r, fmt.Errorf("%s: holds %s, want one", filepath.Join(t.dir, c.Object), number(len(objects), "object"))
	}
	inventory, namespaces := map[string]any{}, []cluster.Object{}
	for _, name := range c.Inventory {
		list, err := objectsIn(filepath.Join(t.dir, name))
		if err != nil {
			return r, err
		}
		for _, raw := range list {
			ns, err := intoInventory(inventory, raw)
			if err != nil {
				return r, fmt.Errorf("%s: %w", filepath.Join(t.dir, name), err)
			}
			if ns != nil {
				namespaces = append(namespaces, ns)
			}
		}
	}
	request, err := gatekeeperRequest(objects[0])
	if err != nil {
		return r, fmt.Errorf("%s: %w", filepath.Join(t.dir, c.Object), err)
	}
	snapshot, err := cluster.New(namespaces...)
	if err != nil {
		return r, err
	}
	return guardrail.Review{Request: request, Before: snapshot, After: snapshot, Origin: guardrail.CLI, Objects: inventory, Time: time.Now()}, nil
}

// objectsIn are the objects of a file, as JSON.
func objectsIn(file string) ([]json.RawMessage, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var out []json.RawMessage
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		raw, err := k8syaml.YAMLToJSON(document)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if !bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
			out = append(out, raw)
		}
	}
}

// intoInventory puts an object where templates look for it. Of a Namespace the model knows the labels.
func intoInventory(inventory map[string]any, raw json.RawMessage) (cluster.Object, error) {
	var o metav1.PartialObjectMetadata
	if err := json.Unmarshal(raw, &o); err != nil || o.APIVersion == "" || o.Kind == "" {
		return nil, errors.New("is no object with apiVersion, kind and metadata")
	}
	fields := cluster.NewDocumentJSON(raw).Fields()
	path := []string{"cluster", o.APIVersion, o.Kind}
	if o.Namespace != "" {
		path = []string{"namespace", o.Namespace, o.APIVersion, o.Kind}
	}
	at := inventory
	for _, step := range path {
		inner, ok := at[step].(map[string]any)
		if !ok {
			inner = map[string]any{}
			at[step] = inner
		}
		at = inner
	}
	at[o.Name] = fields
	if o.Kind != "Namespace" || o.APIVersion != "v1" {
		return nil, nil
	}
	var ns corev1.Namespace
	if err := json.Unmarshal(raw, &ns); err != nil {
		return nil, err
	}
	model, err := cluster.FromAPI(&ns)
	if err == nil {
		cluster.Keep(model, cluster.NewDocumentJSON(raw))
	}
	return model, err
}

// gatekeeperRequest is an object as gator asks about it, or what is asked in an AdmissionReview.
func gatekeeperRequest(raw json.RawMessage) (*admissionv1.AdmissionRequest, error) {
	var o metav1.PartialObjectMetadata
	if err := json.Unmarshal(raw, &o); err != nil || o.APIVersion == "" || o.Kind == "" {
		return nil, errors.New("is no object with apiVersion, kind and metadata")
	}
	kind := o.GroupVersionKind()
	if kind.Kind != "AdmissionReview" || kind.Group != admissionv1.GroupName {
		return &admissionv1.AdmissionRequest{
			Kind: metav1.GroupVersionKind(kind), Namespace: o.Namespace, Name: o.Name, Object: runtime.RawExtension{Raw: raw},
		}, nil
	}
	var review admissionv1.AdmissionReview
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&review); err != nil {
		return nil, fmt.Errorf("is no AdmissionReview: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	r := review.Request
	switch {
	case r == nil:
		return nil, errors.New("the AdmissionReview has no request")
	case len(r.Object.Raw)+len(r.OldObject.Raw) == 0:
		return nil, errors.New("the AdmissionReview has neither object nor oldObject")
	}
	if r.Kind.Kind == "" { // gator takes it from the object
		of := r.Object.Raw
		if len(of) == 0 {
			of = r.OldObject.Raw
		}
		if err := json.Unmarshal(of, &o); err == nil {
			r.Kind = metav1.GroupVersionKind(o.GroupVersionKind())
		}
	}
	return r, nil
}

// isGatekeeperSuite tells whether a file holds a suite of Gatekeeper, by what it says.
func isGatekeeperSuite(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && (bytes.Contains(text, []byte("test.gatekeeper.sh/")) || gatekeeper.Misspelt(text))
}

// gatekeeper are the suites of Gatekeeper among what is named.
func (t *testBench) gatekeeper() ([]*gatekeeper.Suite, error) {
	var out []*gatekeeper.Suite
	var errs []error
	for _, name := range append(t.dirs[:len(t.dirs):len(t.dirs)], t.foreign...) {
		suites, err := gatekeeperSuites(name)
		out, errs = append(out, suites...), append(errs, err)
	}
	return out, errors.Join(errs...)
}
