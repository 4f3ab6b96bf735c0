package report

import (
	"bytes"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/connectivity"
)

// FixText writes what would shut a path: one line, and the netpols to apply as YAML.
func FixText(w io.Writer, fixes []connectivity.Fix) error {
	var b bytes.Buffer
	if len(fixes) == 0 {
		b.WriteString("\nto fix: no single edit of the NetworkPolicies there shuts it\n")
		_, err := w.Write(b.Bytes())
		return err
	}
	fmt.Fprintf(&b, "\nto fix: %s; %s\n", fixes[0], costWords(fixes[0].Cost))
	for _, n := range fixes[0].Netpols {
		manifest, err := n.Manifest()
		if err != nil {
			return err
		}
		text, err := yaml.JSONToYAML(manifest)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n---\n%s", text)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func costWords(cost int) string {
	switch cost {
	case 0:
		return "that closes nothing else"
	case 1:
		return "that closes 1 other connection"
	}
	return fmt.Sprintf("that closes %d other connections", cost)
}
