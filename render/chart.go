package render

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/strvals"

	"github.com/podcullis/podcullis/cluster/manifest"
)

// DefaultKubeVersion is the version of Kubernetes that charts are rendered for
// when none is given. Helm's own default depends on how the program was built.
const DefaultKubeVersion = "1.37.0"

// Chart is a Helm chart and what it is rendered with.
type Chart struct {
	// Path is a directory or a packaged chart (.tgz).
	Path string
	// Values are files; Set and SetString are in the syntax of helm --set.
	Values, Set, SetString []string
	// ReleaseName and Namespace are of the release; "release-name" and "default"
	// when empty, as helm template has it.
	ReleaseName, Namespace string
	// NamedAfterChart makes the chart's name that of a release without one, so that
	// two charts are two releases.
	NamedAfterChart bool
	// Hooks takes in the hooks that are gone again after helm install.
	Hooks bool
	// KubeVersion is DefaultKubeVersion when empty.
	KubeVersion string
	// APIVersions are there besides those of Kubernetes: "cilium.io/v2",
	// "cilium.io/v2/CiliumNetworkPolicy".
	APIVersions []string
}

// IsChart tells whether a path is a chart: a directory with a Chart.yaml, or
// something.tgz.
func IsChart(path string) bool {
	return strings.HasSuffix(path, ".tgz") || holds(path, "Chart.yaml")
}

// holds tells whether a directory holds one of the files.
func holds(dir string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	})
}

// Render makes the manifests of what is there after a first installation, one text
// a document. Names are those of the templates. Notes, the CRDs of crds/ and hooks
// that do not stay are left out; the last text tells of the hooks.
func (c Chart) Render(ctx context.Context) ([]manifest.Text, error) {
	texts, err := c.render(ctx)
	if err != nil {
		return nil, fmt.Errorf("render chart %s: %w", c.Path, err)
	}
	return texts, nil
}

func (c Chart) render(ctx context.Context) ([]manifest.Text, error) {
	loaded, err := loader.Load(c.Path)
	if err != nil {
		return nil, err
	}
	if loaded.Metadata.Type == "library" {
		return nil, fmt.Errorf("a library chart makes no objects")
	}
	if missing := missingDependencies(loaded); len(missing) > 0 {
		return nil, fmt.Errorf("its dependencies %s are not in charts/: run helm dependency build %s", strings.Join(missing, ", "), c.Path)
	}
	capabilities, err := c.capabilities(loaded)
	if err != nil {
		return nil, err
	}
	values, err := c.values()
	if err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependencies(loaded, values); err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: c.ReleaseName, Namespace: c.namespace(), Revision: 1, IsInstall: true}
	switch {
	case release.Name != "":
	case c.NamedAfterChart:
		release.Name = loaded.Name()
	default:
		release.Name = "release-name"
	}
	all, err := commonutil.ToRenderValues(loaded, values, release, capabilities)
	if err != nil {
		return nil, err
	}
	seeded := seed(loaded)
	files, err := engine.Engine{CustomTemplateFuncs: seeded.functions()}.RenderWithContext(ctx, loaded, all)
	if err != nil {
		return nil, err
	}
	return c.texts(files), nil
}

func (c Chart) namespace() string {
	if c.Namespace == "" {
		return "default"
	}
	return c.Namespace
}

// missingDependencies are those that Chart.yaml names and nobody has fetched: a
// chart without them renders to less than it would install.
func missingDependencies(c *chart.Chart) []string {
	var missing []string
	for _, d := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(there *chart.Chart) bool { return there.Name() == d.Name }) {
			missing = append(missing, d.Name)
		}
	}
	return missing
}

// capabilities are what a template sees of the cluster.
func (c Chart) capabilities(loaded *chart.Chart) (*common.Capabilities, error) {
	text := c.KubeVersion
	if text == "" {
		text = DefaultKubeVersion
	}
	version, err := common.ParseKubeVersion(text)
	if err != nil {
		return nil, fmt.Errorf("kube-version %q: %w", text, err)
	}
	if want := loaded.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, version.String()) {
		return nil, fmt.Errorf("it wants Kubernetes %s, and is rendered for %s", want, version)
	}
	return &common.Capabilities{
		KubeVersion: *version,
		APIVersions: append(slices.Clone(common.DefaultVersionSet), c.APIVersions...),
		HelmVersion: common.DefaultCapabilities.HelmVersion,
	}, nil
}

// values merges files, then settings, in the order in which Helm does.
func (c Chart) values() (map[string]any, error) {
	values := map[string]any{}
	for _, file := range c.Values {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		more, err := loader.LoadValues(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		values = loader.MergeMaps(values, more)
	}
	for _, s := range c.Set {
		if err := strvals.ParseInto(s, values); err != nil {
			return nil, fmt.Errorf("set %q: %w", s, err)
		}
	}
	for _, s := range c.SetString {
		if err := strvals.ParseIntoString(s, values); err != nil {
			return nil, fmt.Errorf("set %q: %w", s, err)
		}
	}
	return values, nil
}

// texts are the rendered templates, by name. The engine names them by the
// chart; we do by the path that people know.
func (c Chart) texts(files map[string]string) []manifest.Text {
	var texts []manifest.Text
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		base := path.Base(name)
		if base == "NOTES.txt" || strings.HasPrefix(base, "_") {
			continue
		}
		_, inside, _ := strings.Cut(name, "/")
		for _, d := range documents(files[name]) {
			if hook := hookOf(d.text); hook != "" && !c.Hooks {
				gone = append(gone, hook)
				continue
			}
			texts = append(texts, manifest.Text{
				Name:      filepath.Join(c.Path, filepath.FromSlash(inside)),
				Data:      []byte(d.text),
				Line:      d.line,
				Namespace: c.namespace(),
			})
		}
	}
	if len(gone) > 0 {
		texts = append(texts, manifest.Text{Name: c.Path, Note: goneNote(gone)})
	}
	return texts
}
