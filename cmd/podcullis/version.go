package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/podcullis/podcullis/report"
)

// version is set by -ldflags "-X main.version=...".
var version string

func (p *program) version() *cobra.Command {
	outputs := outputs{formats: []string{"text", "json", "yaml", "csv", "markdown", "name"}}
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version, and those of what it is built with",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := outputs.parse(); err != nil {
				return err
			}
			v := build()
			return outputs.write(p, writers{
				"text": func(w io.Writer, _ report.Style) error {
					_, err := fmt.Fprintf(w, "podcullis %s\ncommit %s\ngo %s\nopa %s\nkubernetes %s\n", v.Version, v.Commit, v.Go, v.OPA, v.Kubernetes)
					return err
				},
				"name": func(w io.Writer, _ report.Style) error {
					_, err := fmt.Fprintln(w, v.Version)
					return err
				},
				"csv":      func(w io.Writer, _ report.Style) error { return v.list().CSV(w) },
				"markdown": func(w io.Writer, _ report.Style) error { return v.list().Markdown(w) },
				"yaml": func(w io.Writer, _ report.Style) error {
					return asYAML(w, func(w io.Writer) error { return json.NewEncoder(w).Encode(v) })
				},
				"json": func(w io.Writer, _ report.Style) error {
					e := json.NewEncoder(w)
					e.SetIndent("", "  ")
					return e.Encode(v)
				},
			})
		},
	}
	outputs.addFlags(c)
	return c
}

type buildInfo struct {
	Version    string `json:"version"`
	Commit     string `json:"commit"`
	Go         string `json:"go"`
	OPA        string `json:"opa"`
	Kubernetes string `json:"kubernetes"` // k8s.io/api
}

func (b buildInfo) list() report.List {
	return report.List{Title: "podcullis " + b.Version, Names: []string{"what", "version"}, Rows: [][]string{
		{"podcullis", b.Version}, {"commit", b.Commit}, {"go", b.Go}, {"opa", b.OPA}, {"kubernetes", b.Kubernetes},
	}}
}

func build() buildInfo {
	b := buildInfo{Version: version, Commit: "unknown", Go: runtime.Version(), OPA: "unknown", Kubernetes: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, m := range info.Deps {
			switch m.Path {
			case "github.com/open-policy-agent/opa":
				b.OPA = m.Version
			case "k8s.io/api":
				b.Kubernetes = m.Version
			}
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
		if b.Version == "" {
			b.Version = info.Main.Version
		}
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	return b
}
