package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/connectivity"
)

// FixText writes what would shut a path: one line, and the netpols to apply as YAML.
func FixText(w io.Writer, x connectivity.Explanation, fixes []connectivity.Fix) error {
	var b bytes.Buffer
	if len(fixes) == 0 {
		b.WriteString("\nto fix: no single edit of the NetworkPolicies there shuts it\n")
		_, err := w.Write(b.Bytes())
		return err
	}
	fmt.Fprintf(&b, "\nto fix: %s; %s\n", fixWords(x, fixes[0]), costWords(fixes[0].Cost))
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

func fixWords(x connectivity.Explanation, f connectivity.Fix) string {
	var rules []string
	for _, r := range slices.Backward(f.Rules) {
		rules = append(rules, fmt.Sprintf("%s rule %d of NetworkPolicy %s", f.Direction, r.Rule+1, netpolName(r.Netpol)))
	}
	which := strings.Join(rules, " and ")
	side := x.Sides[f.Direction]
	switch f.Kind {
	case connectivity.FixLeaveOut:
		if f.Key == "" {
			return fmt.Sprintf("let %s leave out %s", which, side.Peer)
		}
		return fmt.Sprintf("let %s leave out the pods with %s=%s", which, f.Key, f.Value)
	case connectivity.FixPorts:
		return fmt.Sprintf("let %s leave out %s", which, x.Asked)
	case connectivity.FixRemove:
		return "remove " + which
	}
	return fmt.Sprintf("isolate %s for %s, and let through by name the workloads that it connects with today", side.Subject, f.Direction)
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
