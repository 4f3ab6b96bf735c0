package guardrail

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podcullis/podcullis/cluster"
)

// ExtraWorkload is a kind of another API that makes pods, with the pod template at
// some path. In a configuration it may be the name of a preset.
type ExtraWorkload struct {
	Group    string `yaml:"group"`
	Version  string `yaml:"version"`
	Resource string `yaml:"resource"`
	Kind     string `yaml:"kind"`
	// Path is where the pod template is; empty means spec.template.
	Path string `yaml:"path"`
}

// DefaultTemplatePath is where most kinds have their pod template.
const DefaultTemplatePath = "spec.template"

// presets are the kinds that need no more than their name.
func presets() map[string]ExtraWorkload {
	return map[string]ExtraWorkload{
		"argo-rollouts":               {Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts", Kind: "Rollout"},
		"openshift-deploymentconfigs": {Group: "apps.openshift.io", Version: "v1", Resource: "deploymentconfigs", Kind: "DeploymentConfig"},
	}
}

// UnmarshalYAML reads a preset's name, or the fields.
func (w *ExtraWorkload) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		p, ok := presets()[n.Value]
		if !ok {
			return fmt.Errorf("line %d: extraWorkloads: no preset %q; there are: %s", n.Line, n.Value, strings.Join(slices.Sorted(maps.Keys(presets())), ", "))
		}
		*w = p
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: extraWorkloads: want a preset's name, or group, version, resource, kind and path", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; !slices.Contains([]string{"group", "version", "resource", "kind", "path"}, key.Value) {
			return fmt.Errorf("line %d: extraWorkloads: unknown field %q; known here: group, version, resource, kind, path", key.Line, key.Value)
		}
	}
	type plain ExtraWorkload
	return n.Decode((*plain)(w))
}

// Custom is the kind as the model reads it.
func (w ExtraWorkload) Custom() cluster.Custom {
	path := w.Path
	if path == "" {
		path = DefaultTemplatePath
	}
	return cluster.Custom{
		GroupVersionResource: schema.GroupVersionResource{Group: w.Group, Version: w.Version, Resource: w.Resource},
		Kind:                 w.Kind, Path: strings.Split(path, "."),
	}
}

// Custom lists the extraWorkloads as the model reads them.
func (c *Config) Custom() []cluster.Custom {
	var out []cluster.Custom
	for _, w := range c.ExtraWorkloads {
		out = append(out, w.Custom())
	}
	return out
}

// knowsCustom tells whether a kind is one of extraWorkloads, or a preset's.
func (c *Config) knowsCustom(kind string) bool {
	known := slices.AppendSeq(slices.Clone(c.ExtraWorkloads), maps.Values(presets()))
	return slices.ContainsFunc(known, func(w ExtraWorkload) bool {
		return kindList{kind}.names(schema.GroupKind{Group: w.Group, Kind: w.Kind})
	})
}

var (
	templatePath = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)*$`)
	kindName     = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	resourceName = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	versionName  = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]+)?$`)
)

func (v *configValidator) checkExtraWorkload(all []ExtraWorkload, i int, path []any) {
	w := all[i]
	if len(validation.IsDNS1123Subdomain(w.Group)) > 0 || !strings.Contains(w.Group, ".") {
		v.at(under(path, "group"), "%q is not the group of another API, such as argoproj.io", w.Group)
	}
	if !versionName.MatchString(w.Version) {
		v.at(under(path, "version"), "%q is not a version, such as v1alpha1", w.Version)
	}
	if !resourceName.MatchString(w.Resource) {
		v.at(under(path, "resource"), "%q is not a resource: small letters, in the plural, such as rollouts", w.Resource)
	}
	if !kindName.MatchString(w.Kind) {
		v.at(under(path, "kind"), "%q is not a kind, such as Rollout", w.Kind)
	}
	if w.Path != "" && !templatePath.MatchString(w.Path) {
		v.at(under(path, "path"), "%q is not the path of a pod template, such as spec.template: fields with dots between them, no lists", w.Path)
	}
	for _, other := range all[:i] {
		switch {
		case other.Group == w.Group && other.Kind == w.Kind:
			v.at(path, "%s.%s is listed twice", w.Kind, w.Group)
			return
		case other.Kind == w.Kind:
			v.at(under(path, "kind"), "%s is listed already, of group %s: kinds of two groups with one name cannot be told apart", w.Kind, other.Group)
			return
		}
	}
}
