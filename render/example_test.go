package render_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/render"
)

// What a chart renders to is read like any manifest.
func ExampleChart_Render() {
	dir, err := os.MkdirTemp("", "chart-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{
		"Chart.yaml":         "{apiVersion: v2, name: web, version: 1.0.0}",
		"templates/pod.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: {{ .Release.Name }}}}",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			fmt.Println(err)
			return
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			fmt.Println(err)
			return
		}
	}
	texts, err := render.Chart{Path: dir, ReleaseName: "blue", Namespace: "shop"}.Render(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := manifest.Read(manifest.Input{Texts: texts})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range set.Objects {
		fmt.Println(o.Ref())
	}
	// Output: shop/Pod/blue
}
