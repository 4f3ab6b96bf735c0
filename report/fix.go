package report

import (
	"bytes"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// FixText writes what would shut a path: one line, and how to do it: an edit as a
// patch, so that it drops nothing else of the netpol, a new netpol as YAML.
// cost says what a fix closes beside the path.
func FixText(w io.Writer, fixes []connectivity.Fix, cost func(connectivity.Fix) string) error {
	var b bytes.Buffer
	if len(fixes) == 0 {
		b.WriteString("\nto fix: no single edit of the NetworkPolicies there shuts it\n")
		_, err := w.Write(b.Bytes())
		return err
	}
	fix := fixes[0]
	fmt.Fprintf(&b, "\nto fix: %s; %s\n\n", fix, cost(fix))
	for _, n := range fix.Netpols {
		how := patchText
		if fix.Kind == connectivity.FixIsolate {
			how = manifestText
		}
		text, err := how(n)
		if err != nil {
			return err
		}
		b.WriteString(text)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// patchText needs no quoting within: no name, label, port or CIDR has a quote.
func patchText(n *cluster.Draft) (string, error) {
	patch, err := n.Patch()
	namespace, name := n.Name()
	return fmt.Sprintf("kubectl patch networkpolicy %s -n %s --type merge -p '%s'\n", name, namespace, patch), err
}

func manifestText(n *cluster.Draft) (string, error) {
	manifest, err := n.Manifest()
	if err != nil {
		return "", err
	}
	text, err := yaml.JSONToYAML(manifest)
	return "---\n" + string(text), err
}
