package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
)

// edits are the flags that say what is changed.
type edits struct {
	create, update, remove, apply []string
	requester                     requester
}

func (e *edits) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&e.create, "create", nil, "what is created: a `file`, a directory or - for standard input; repeatable")
	f.StringArrayVar(&e.update, "update", nil, "what is updated: a `file`, a directory or -; repeatable")
	f.StringArrayVar(&e.apply, "apply", nil, "what is created or updated, whichever it takes: a `file`, a directory or -; repeatable")
	e.requester.addFlags(c)
	f.StringArrayVar(&e.remove, "delete", nil, "what is deleted: a `file`, a directory, or KIND/NAMESPACE/NAME, of a Namespace KIND/NAME; repeatable")
}

func (e *edits) given() bool { return len(e.create)+len(e.update)+len(e.apply)+len(e.remove) > 0 }

// step is one change of one object: created without was, deleted without is.
type step struct {
	was, is *manifest.Object
	user    authenticationv1.UserInfo // who makes it
	// waitsFor is set in a plan for what comes of another step by itself: gone goes.
	waitsFor *step
	gone     []*manifest.Object
}

func (s step) object() *manifest.Object {
	if s.is != nil {
		return s.is
	}
	return s.was
}

func (s step) change() cluster.Change {
	var c cluster.Change
	if s.was != nil {
		c.Before = s.was.Model
	}
	if s.is != nil {
		c.After = s.is.Model
	}
	return c
}

func (s step) operation() admissionv1.Operation {
	switch {
	case s.was == nil:
		return admissionv1.Create
	case s.is == nil:
		return admissionv1.Delete
	}
	return admissionv1.Update
}

// request is the step as the API server would send it.
func (s step) request() *admissionv1.AdmissionRequest {
	o := s.object()
	kind := metav1.GroupVersionKind(o.GroupVersionKind)
	plural, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind)
	resource := metav1.GroupVersionResource(plural)
	r := &admissionv1.AdmissionRequest{
		UID: types.UID(o.Ref().String()), Kind: kind, Resource: resource, RequestKind: &kind, RequestResource: &resource,
		Namespace: o.Namespace, Name: o.Name, Operation: s.operation(), UserInfo: s.user,
	}
	if o.Kind == "Namespace" && o.Group == "" {
		r.Namespace = o.Name
	}
	if s.is != nil {
		r.Object = runtime.RawExtension{Raw: s.is.JSON}
	}
	if s.was != nil {
		r.OldObject = runtime.RawExtension{Raw: s.was.JSON}
	}
	return r
}

// steps are the changes that the flags name, in the order of create, update, apply and
// delete, and within each in that of the files.
func (p *program) steps(ctx context.Context, e *edits, s *sources, before *manifest.Set) ([]step, error) {
	if err := e.requester.check(); err != nil {
		return nil, err
	}
	there := map[cluster.Ref]*manifest.Object{}
	for i := range before.Objects {
		there[before.Objects[i].Ref()] = &before.Objects[i]
	}
	var out []step
	for _, flag := range []struct {
		name  string
		files []string
		is    func(o, was *manifest.Object) (step, error)
	}{
		{"create", e.create, func(o, was *manifest.Object) (step, error) {
			if was != nil {
				return step{}, hint(fmt.Errorf("--create: %s: %s is there already (%s)", o.Location, o.Ref(), was.Location), "--update changes it, and --apply creates or updates")
			}
			return step{is: o}, nil
		}},
		{"update", e.update, func(o, was *manifest.Object) (step, error) {
			if was == nil {
				return step{}, hint(fmt.Errorf("--update: %s: there is no %s to update", o.Location, o.Ref()), "--create creates it, and --apply creates or updates; objects that name no namespace are in that of --default-namespace")
			}
			return step{was: was, is: o}, nil
		}},
		{"apply", e.apply, func(o, was *manifest.Object) (step, error) { return step{was: was, is: o}, nil }},
	} {
		objects, err := p.changed(ctx, flag.name, flag.files, s)
		if err != nil {
			return nil, err
		}
		for i := range objects {
			o := &objects[i]
			next, err := flag.is(o, there[o.Ref()])
			if err != nil {
				return nil, err
			}
			there[o.Ref()] = o
			out = append(out, next)
		}
	}
	for _, text := range e.remove {
		gone, err := p.deleted(ctx, text, s, there)
		if err != nil {
			return nil, err
		}
		for _, o := range gone {
			delete(there, o.Ref())
			out = append(out, step{was: o})
		}
	}
	e.requester.makes(out)
	return out, nil
}

// changed reads the files of one flag.
func (p *program) changed(ctx context.Context, flag string, files []string, s *sources) ([]manifest.Object, error) {
	if len(files) == 0 {
		return nil, nil
	}
	if slices.Contains(files, "-") && slices.Contains(s.files, "-") {
		return nil, hint(fmt.Errorf("--%s -: standard input is taken by -f -", flag), "put one of them in a file")
	}
	set, err := p.read(ctx, &sources{files: files, defaultNamespace: s.defaultNamespace, excludes: s.excludes, entries: s.entries})
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	p.notes(set)
	p.sayUnread(set)
	for i := range set.Objects {
		if o := &set.Objects[i]; strings.HasSuffix(o.Name, "*") {
			return nil, hint(fmt.Errorf("--%s: %s: has a generateName and no name", flag, o.Location), "give it the name that it would get")
		}
	}
	return set.Objects, nil
}

// deleted finds what --delete names: a path with objects, or one object.
func (p *program) deleted(ctx context.Context, text string, s *sources, there map[cluster.Ref]*manifest.Object) ([]*manifest.Object, error) {
	if _, err := os.Stat(text); err == nil || text == "-" {
		objects, err := p.changed(ctx, "delete", []string{text}, s)
		if err != nil {
			return nil, err
		}
		var out []*manifest.Object
		for i := range objects {
			was := there[objects[i].Ref()]
			if was == nil {
				return nil, hint(fmt.Errorf("--delete: %s: there is no %s to delete", objects[i].Location, objects[i].Ref()), "name what the cluster has: -f, -k, --helm or --context say what that is")
			}
			out = append(out, was)
		}
		return out, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) == 2 {
		parts = []string{parts[0], "", parts[1]}
	}
	if len(parts) != 3 || slices.Contains([]string{parts[0], parts[2]}, "") {
		return nil, hint(fmt.Errorf("--delete %s: is neither a path nor KIND/NAMESPACE/NAME", text), "such as --delete NetworkPolicy/shop/default-deny, or --delete Namespace/shop")
	}
	var found []*manifest.Object
	for _, o := range there {
		kind := strings.EqualFold(o.Kind, parts[0]) || o.Kind == "NetworkPolicy" && strings.EqualFold("netpol", parts[0])
		if kind && o.Name == parts[2] && o.Namespace == parts[1] {
			found = append(found, o)
		}
	}
	switch len(found) {
	case 1:
		return found, nil
	case 2:
		return nil, hint(fmt.Errorf("--delete %s: there are two, of %s and %s", text, found[0].GroupVersion(), found[1].GroupVersion()), "name a file with the one that is meant")
	}
	return nil, hint(fmt.Errorf("--delete %s: there is no such object", text), "of %s", someOf(there, parts[0]))
}

// someOf lists the objects of a kind, for a hint.
func someOf(there map[cluster.Ref]*manifest.Object, kind string) string {
	var names []string
	for _, o := range there {
		if strings.EqualFold(o.Kind, kind) {
			names = append(names, strings.Trim(o.Kind+"/"+o.Namespace+"/"+o.Name, "/"))
		}
	}
	if len(names) == 0 {
		return "this kind there is none: the kinds are written as in manifests, such as NetworkPolicy"
	}
	slices.Sort(names)
	if n := len(names) - maxListed; n > 0 {
		names = append(names[:maxListed], fmt.Sprintf("%d more", n))
	}
	return "this kind there are: " + strings.Join(names, ", ")
}

// errNoChange is when nothing is said to be changed.
var errNoChange = errors.New("no change was given: nothing to judge")
