package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/podcullis/podcullis/cluster"
)

// document adds the object of a document to the set, those of its items when it
// is a list.
func (l *loader) document(d document, depth int) {
	if bytes.Equal(bytes.TrimSpace(d.json), []byte("null")) {
		return // as good as no document
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(d.json, &fields); err != nil {
		reason := "must be an object with apiVersion and kind"
		if bytes.HasPrefix(bytes.TrimSpace(d.json), []byte("[")) {
			reason += ", not a list of them: kubectl takes one with kind: List and items"
		}
		l.fail(d.at, "%s", reason)
		return
	}
	if l.otherTool(d, fields) {
		return
	}
	gvk, ok := l.kind(d, fields)
	if !ok {
		return
	}
	switch {
	case l.newAPI(gvk) != nil:
		l.modelled(d, gvk)
	case l.in.Entries && cluster.IsRoute(gvk.Group, gvk.Kind):
		l.route(d, gvk)
	case l.foreignPolicy(gvk):
		l.foreign(d, gvk)
	case isList(gvk, fields):
		l.list(d, gvk, fields, depth)
	default:
		if reason := l.mistaken(gvk); reason != "" {
			l.fail(d.at, "%s", reason)
			return
		}
		l.unmodelled(d, gvk)
	}
}

// kind reads apiVersion and kind.
func (l *loader) kind(d document, fields map[string]json.RawMessage) (schema.GroupVersionKind, bool) {
	var text [2]string
	for i, name := range []string{"apiVersion", "kind"} {
		value, ok := fields[name]
		if !ok || string(value) == "null" || string(value) == `""` {
			l.fail(d.at, "no %s: not a Kubernetes object", name)
			return schema.GroupVersionKind{}, false
		}
		if err := json.Unmarshal(value, &text[i]); err != nil {
			l.failField(d, "", name, explain(err))
			return schema.GroupVersionKind{}, false
		}
	}
	gv, err := schema.ParseGroupVersion(text[0])
	if err != nil || gv.Version == "" {
		l.failField(d, text[1], "apiVersion", fmt.Sprintf("must be a version or group/version, got %q", text[0]))
		return schema.GroupVersionKind{}, false
	}
	return gv.WithKind(text[1]), true
}

// otherTool deals with the files of tools that make manifests. Reading what they
// are made from is not reading what they make.
func (l *loader) otherTool(d document, fields map[string]json.RawMessage) bool {
	if l.rendered {
		return false
	}
	switch filepath.Base(d.at.File) {
	case "kustomization.yaml", "kustomization.yml", "Kustomization":
		if !ofKustomize(fields["apiVersion"]) {
			return false
		}
		l.set.Skipped["Kustomization.kustomize.config.k8s.io"]++
		l.set.Notes = append(l.set.Notes, Note{d.at, "the manifests beside it are read as they are; to judge what kustomize makes of them: podcullis ... -k DIR"})
		return true
	case "Chart.yaml":
		if _, ok := fields["kind"]; !ok {
			l.fail(d.at, "a Helm chart, and no manifests: podcullis ... --helm %s", filepath.Dir(d.at.File))
			return true
		}
	}
	return false
}

// ofKustomize tells whether an apiVersion is that of kustomize's own files, which may
// leave it out. Flux has a Kustomization, too, and any file may be called so.
func ofKustomize(apiVersion json.RawMessage) bool {
	var text string
	return json.Unmarshal(apiVersion, &text) != nil || text == "" || strings.HasPrefix(text, "kustomize.config.k8s.io/")
}

func (l *loader) skip(d document, gvk schema.GroupVersionKind) {
	if !l.aside(d, gvk) {
		l.set.Skipped[gvk.GroupKind().String()]++
	}
}

// modelled reads an object of a kind that the model is made of.
func (l *loader) modelled(d document, gvk schema.GroupVersionKind) {
	api := l.newAPI(gvk)
	problems := slices.DeleteFunc(decode(d.json, api), unknownStatus)
	meta := api.(metav1.Object)
	namespace := ""
	if gvk.Kind != "Namespace" {
		namespace = l.settle(meta)
	}
	if len(problems) > 0 {
		// What was decoded before the error may name the object.
		l.problems(d, gvk, namespace, meta, problems)
		return
	}
	problems = checkMeta(meta, gvk.Kind != "Namespace")
	problems = append(problems, checkPorts(api)...)
	model, err := l.in.Bounds.FromAPI(api)
	if l.in.Stored && errors.Is(err, cluster.ErrOverBound) {
		l.note(d.at, "%s counts as unknown: %v", title(gvk.Kind, namespace, nameOf(meta)), err)
		err = nil
	}
	problems = append(problems, fieldProblems(err)...)
	if len(problems) > 0 {
		l.problems(d, gvk, namespace, meta, problems)
		return
	}
	l.keep(d, Object{GroupVersionKind: gvk, Namespace: namespace, Name: nameOf(meta), API: api, Model: model})
}

// unknownStatus tells whether a problem is a field of a status that this version
// of the API has not: NetworkPolicies had one until Kubernetes 1.27, and generators
// write an empty one. Nobody applies a status.
func unknownStatus(p problem) bool {
	return strings.HasPrefix(p.reason, unknownField) && (p.field == "status" || strings.HasPrefix(p.field, "status."))
}

// keep adds an object, unless there is one of that identity.
func (l *loader) keep(d document, o Object) {
	o.Location = d.at
	if l.rendered {
		o.Location.Line = 0 // a line that nobody can look up
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, d.json); err != nil {
		l.fail(d.at, "not JSON: %v", err)
		return
	}
	o.JSON = compact.Bytes()
	if other, ok := l.set.Lookup(o.Ref()); ok {
		generated := strings.HasSuffix(o.Name, "*")
		if !generated && alike(other.JSON, o.JSON) {
			return // the same once more, as parts that share a Namespace have it
		}
		l.twice(d, &o, other, generated)
		return
	}
	l.set.add(o)
}

// settle gives an object that names no namespace the one that is meant then, and
// returns the one it is in.
func (l *loader) settle(m metav1.Object) string {
	if m.GetNamespace() == "" && l.namespace != "" {
		m.SetNamespace(l.namespace)
	}
	return namespaceOf(m)
}

func namespaceOf(m metav1.Object) string {
	if m.GetNamespace() == "" {
		return corev1.NamespaceDefault
	}
	return m.GetNamespace()
}

func nameOf(m metav1.Object) string {
	if m.GetName() == "" && m.GetGenerateName() != "" {
		return m.GetGenerateName() + "*"
	}
	return m.GetName()
}

// title is an object in the words of a message: "NetworkPolicy shop/allow-web".
func title(kind, namespace, name string) string {
	switch {
	case name == "":
		return kind
	case namespace == "":
		return kind + " " + name
	}
	return kind + " " + namespace + "/" + name
}

// checkMeta checks what makes up the object's identity.
func checkMeta(m metav1.Object, namespaced bool) []problem {
	var problems []problem
	switch {
	case m.GetName() != "":
		for _, reason := range validation.NameIsDNSSubdomain(m.GetName(), false) {
			problems = append(problems, problem{"metadata.name", reason})
		}
	case m.GetGenerateName() != "":
		for _, reason := range validation.NameIsDNSSubdomain(m.GetGenerateName(), true) {
			problems = append(problems, problem{"metadata.generateName", reason})
		}
	default:
		problems = append(problems, problem{"metadata.name", "is missing"})
	}
	if namespaced && m.GetNamespace() != "" {
		for _, reason := range validation.ValidateNamespaceName(m.GetNamespace(), false) {
			problems = append(problems, problem{"metadata.namespace", reason})
		}
	}
	return problems
}

// fieldProblems takes apart the error of cluster.FromAPI.
func fieldProblems(err error) []problem {
	if err == nil {
		return nil
	}
	errs := []error{err}
	var all utilerrors.Aggregate
	if errors.As(err, &all) {
		errs = all.Errors()
	}
	var problems []problem
	for _, err := range errs {
		var at *field.Error
		if errors.As(err, &at) {
			problems = append(problems, problem{at.Field, at.ErrorBody()})
		} else {
			problems = append(problems, problem{reason: err.Error()})
		}
	}
	return problems
}

func (l *loader) problems(d document, gvk schema.GroupVersionKind, namespace string, meta metav1.Object, problems []problem) {
	name := title(gvk.Kind, namespace, nameOf(meta))
	before := len(l.errs)
	for _, p := range problems {
		l.failField(d, name, p.field, p.reason)
	}
	slices.SortStableFunc(l.errs[before:], func(a, b *Error) int { return cmp.Compare(a.Location.Line, b.Location.Line) })
}

// failField reports a field at its line.
func (l *loader) failField(d document, object, path, reason string) {
	if f, ok := d.lookup(path); ok && strings.HasSuffix(reason, "got a boolean") && f.value != nil && f.value.Kind == yamlnode.ScalarNode && f.value.Style == 0 {
		switch strings.ToLower(f.value.Value) {
		case "y", "n", "yes", "no", "on", "off":
			reason += fmt.Sprintf(" (YAML reads a bare %s as one); write %q", f.value.Value, f.value.Value)
		}
	}
	l.errs = append(l.errs, &Error{Location: d.locate(path), Object: object, Field: path, Reason: reason})
}
