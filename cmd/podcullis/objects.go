package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	kjson "sigs.k8s.io/json"
	kyaml "sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/customresource"
	"github.com/podcullis/podcullis/customresource/v1alpha1"
	"github.com/podcullis/podcullis/guardrail"
)

// customObject is a Guardrail or an Exemption, and where it is written.
type customObject struct {
	kind string
	json []byte
	at   string
}

// takeObjects has Guardrail and Exemption documents kept beside the model.
func (s *sources) takeObjects() {
	for _, kind := range []string{v1alpha1.GuardrailKind, v1alpha1.ExemptionKind} {
		s.asides = append(s.asides, schema.GroupKind{Group: v1alpha1.Group, Kind: kind})
	}
}

// takeIn has an engine judge by the objects of the sources, too: those of a running cluster,
// which the manifests replace and add to.
func (p *program) takeIn(ctx context.Context, engine *guardrail.Engine, s *sources, asides []manifest.Aside) error {
	var objects []customObject
	if s.live() {
		var err error
		if objects, err = p.runningObjects(ctx, s); err != nil {
			return err
		}
	}
	for _, a := range asides {
		if a.Group != v1alpha1.Group {
			continue
		}
		if a.Version != v1alpha1.Version {
			return hint(fmt.Errorf("%s: apiVersion %s/%s of kind %s is not known", a.Location, a.Group, a.Version, a.Kind), "write %s", v1alpha1.GroupVersion())
		}
		objects = append(objects, customObject{a.Kind, a.JSON, a.Location.String()})
	}
	if err := p.extend(engine, objects, cmp.Or(s.defaultNamespace, corev1.NamespaceDefault)); err != nil {
		return hint(err, "correct the object; `%s explain GUARDRAIL` shows which parameters a guardrail takes", p.name)
	}
	return nil
}

// runningObjects are those of the running cluster, if their kinds are served there.
func (p *program) runningObjects(ctx context.Context, s *sources) ([]customObject, error) {
	config, name, err := s.restConfig()
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, hint(err, "correct the kubeconfig")
	}
	var out []customObject
	for kind, resource := range map[string]schema.GroupVersionResource{v1alpha1.GuardrailKind: v1alpha1.Guardrails(), v1alpha1.ExemptionKind: v1alpha1.Exemptions()} {
		list, err := client.Resource(resource).List(ctx, metav1.ListOptions{})
		switch {
		case apierrors.IsNotFound(err):
			continue
		case apierrors.IsForbidden(err):
			p.say("note: %s of the cluster are not read, and nothing is judged by them: %v", resource.Resource, err)
			continue
		case err != nil:
			return nil, hint(err, "see that `kubectl --context %s get %s -A` works", name, resource.GroupResource())
		}
		for _, u := range list.Items {
			text, err := u.MarshalJSON()
			if err != nil {
				return nil, err
			}
			out = append(out, customObject{kind, text, strings.TrimSuffix(resource.Resource, "s") + " " + strings.TrimPrefix(u.GetNamespace()+"/"+u.GetName(), "/")})
		}
	}
	return out, nil
}

// extend has an engine judge by objects, too. One that is broken is an error; an exemption that
// is not in force, and a guardrail whose name is taken, are told.
func (p *program) extend(engine *guardrail.Engine, objects []customObject, namespace ...string) error {
	if len(objects) == 0 {
		return nil
	}
	guardrails, exemptions := map[string]*v1alpha1.Guardrail{}, map[types.NamespacedName]*v1alpha1.Exemption{}
	places := map[any]string{}
	for i, o := range objects {
		id := types.UID(fmt.Sprintf("%d", i))
		if o.kind == v1alpha1.GuardrailKind {
			g := &v1alpha1.Guardrail{}
			if err := decodeObject(o, g); err != nil {
				return err
			}
			g.UID, g.Generation = id, max(1, g.Generation)
			guardrails[g.Name], places[g.Name] = g, o.at
			continue
		}
		x := &v1alpha1.Exemption{}
		if err := decodeObject(o, x); err != nil {
			return err
		}
		if x.Namespace == "" && len(namespace) > 0 {
			x.Namespace = namespace[0]
		}
		x.UID = id
		name := types.NamespacedName{Namespace: x.Namespace, Name: x.Name}
		exemptions[name], places[name] = x, o.at
	}
	return engine.Extend(func(l *guardrail.Library, c *guardrail.Config) (*guardrail.Config, error) {
		all := customresource.Objects{}
		for _, g := range guardrails {
			all.Guardrails = append(all.Guardrails, g)
		}
		for _, x := range exemptions {
			all.Exemptions = append(all.Exemptions, x)
		}
		outcome := customresource.NewSet().Compose(customresource.Base{Library: l, Config: c, Entries: engine.NeedsEntries()}, all, time.Now())
		var errs []error
		tell := func(kind, name string, at string, v customresource.Verdict) {
			switch {
			case !v.Loaded.True:
				errs = append(errs, fmt.Errorf("%s: %s %s: %s", at, kind, name, v.Loaded.Message))
			case !v.Ready.True:
				p.say("note: %s: %s %s is not in force: %s", at, kind, name, v.Ready.Message)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(outcome.Guardrails)) {
			tell("Guardrail", name, places[name], outcome.Guardrails[name])
		}
		byName := func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) }
		for _, name := range slices.SortedFunc(maps.Keys(outcome.ExemptionObjects), byName) {
			tell("Exemption", name.String(), places[name], outcome.ExemptionObjects[name])
		}
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		return c.Extended(outcome.Instances, outcome.Exemptions)
	})
}

// decodeObject reads an object as strictly as an API server does with kubectl.
func decodeObject(o customObject, into any) error {
	wrong, err := kjson.UnmarshalStrict(o.json, into)
	if err = cmp.Or(err, errors.Join(wrong...)); err != nil {
		return fmt.Errorf("%s: %s: %w", o.at, o.kind, err)
	}
	return nil
}

// readConfig reads a file of kind Guardrails, or with objects of kinds Guardrail and Exemption,
// or with both; without a file, the embedded default.
func readConfig(file string) (*guardrail.Config, []customObject, error) {
	if file == "" {
		config, err := guardrail.ParseConfig("default.yaml (embedded)", guardrail.DefaultConfig)
		return config, nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, hint(err, "--config names a file of kind Guardrails; without it the embedded default is used")
	}
	rest, objects := takenOut(file, string(text))
	var config *guardrail.Config
	if len(objects) > 0 && strings.TrimSpace(rest) == "" {
		config, err = guardrail.NoGuardrails(file)
	} else {
		config, err = guardrail.ParseConfig(file, []byte(rest))
	}
	if err != nil {
		return nil, nil, hint(err, "correct the configuration")
	}
	return config, objects, nil
}

// takenOut takes the objects out of a text, and leaves all else on the lines where it is.
func takenOut(file, text string) (rest string, objects []customObject) {
	var out strings.Builder
	line, kept := 1, false
	for document := range strings.SplitSeq(text, "\n---\n") {
		var what struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string `yaml:"kind"`
		}
		lines := strings.Count(document, "\n") + 2
		ours := yaml.Unmarshal([]byte(document), &what) == nil && what.APIVersion == v1alpha1.GroupVersion().String() &&
			(what.Kind == v1alpha1.GuardrailKind || what.Kind == v1alpha1.ExemptionKind)
		raw, err := kyaml.YAMLToJSON([]byte(document))
		switch {
		case ours && err == nil:
			objects = append(objects, customObject{what.Kind, raw, fmt.Sprintf("%s:%d", file, line)})
			out.WriteString(strings.Repeat("\n", lines))
		case kept:
			out.WriteString("---\n" + document + "\n\n")
		default:
			kept = strings.TrimSpace(document) != ""
			out.WriteString(document + "\n\n")
		}
		line += lines
	}
	if len(objects) == 0 {
		return text, nil
	}
	return out.String(), objects
}
