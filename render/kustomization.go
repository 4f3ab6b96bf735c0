package render

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster/manifest"
)

// IsKustomization tells whether a path is a directory with a kustomization.
func IsKustomization(path string) bool {
	return holds(path, konfig.RecognizedKustomizationFileNames()...)
}

// ErrHelmCharts is that a kustomization has charts rendered, for which kustomize
// runs helm and fetches what it needs.
var ErrHelmCharts = errors.New("it has helmCharts, which kustomize hands to a helm program, and none is run here: give the chart itself with --helm CHART --values FILE, or pipe what `kustomize build --enable-helm` prints into -f -")

// Kustomization makes the manifests of a directory with a kustomization. Each
// is named by the file of the resource that it began as.
func Kustomization(dir string) ([]manifest.Text, error) {
	options := krusty.MakeDefaultOptions()
	options.PluginConfig = types.DisabledPluginConfig()
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	made, err := krusty.MakeKustomizer(options).Run(tracing{filesys.MakeFsOnDisk()}, dir)
	switch {
	case err != nil && strings.Contains(err.Error(), "--enable-helm"):
		return nil, fmt.Errorf("build kustomization %s: %w", dir, ErrHelmCharts)
	case err != nil:
		return nil, fmt.Errorf("build kustomization %s: %w", dir, err)
	}
	texts := make([]manifest.Text, 0, made.Size())
	for _, r := range made.Resources() {
		name := originOf(dir, r)
		if err := r.SetOrigin(nil); err != nil {
			return nil, fmt.Errorf("build kustomization %s: %s: %w", dir, name, err)
		}
		data, err := r.AsYAML()
		if err != nil {
			return nil, fmt.Errorf("build kustomization %s: %s: %w", dir, name, err)
		}
		texts = append(texts, manifest.Text{Name: name, Data: data})
	}
	return texts, nil
}

// originOf is the file that a resource comes from; of one that was generated,
// the kustomization.
func originOf(dir string, r *resource.Resource) string {
	origin, err := r.GetOrigin()
	switch {
	case err != nil || origin == nil:
		return filepath.Join(dir, konfig.DefaultKustomizationFileName())
	case origin.Repo != "":
		return strings.TrimSuffix(origin.Repo, "/") + "/" + origin.Path
	case origin.Path != "":
		return filepath.Join(dir, origin.Path)
	}
	return filepath.Join(dir, origin.ConfiguredIn)
}

// tracing is a file system in which every kustomization asks for the origin of
// its resources to be kept. It tells of the files, and writes none.
type tracing struct{ filesys.FileSystem }

// ReadFile adds originAnnotations to the buildMetadata of a kustomization.
func (t tracing) ReadFile(name string) ([]byte, error) {
	data, err := t.FileSystem.ReadFile(name)
	if err != nil || !slices.Contains(konfig.RecognizedKustomizationFileNames(), filepath.Base(name)) {
		return data, err
	}
	var fields map[string]any
	if yaml.Unmarshal(data, &fields) != nil || fields == nil {
		return data, nil //nolint:nilerr // kustomize words the error
	}
	list, ok := fields["buildMetadata"].([]any)
	if fields["buildMetadata"] != nil && !ok {
		return data, nil
	}
	if slices.Contains(list, any(types.OriginAnnotations)) {
		return data, nil
	}
	fields["buildMetadata"] = append(list, types.OriginAnnotations)
	return yaml.Marshal(fields)
}
