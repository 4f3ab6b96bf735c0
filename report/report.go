package report

import (
	"encoding/json"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
)

// APIVersion is that of every JSON document.
const APIVersion = "podcullis.io/v1alpha1"

// ClusterPrefix begins the File of a Location that is a running cluster.
const ClusterPrefix = "cluster "

// Location is a place in a file, or where else an object comes from.
type Location struct {
	File string `json:"file"`
	// Line counts from 1; 0 when the place is the whole of File, such as a chart's
	// template.
	Line int `json:"line,omitempty"`
}

func (l Location) String() string {
	if l.Line == 0 {
		return l.File
	}
	return fmt.Sprintf("%s:%d", l.File, l.Line)
}

// Finding is a violation, the object with which it is reported, and where that is.
type Finding struct {
	guardrail.Violation
	Object   cluster.Ref
	Location Location
	// Fingerprint is set where the finding was numbered among others, see Result.Since.
	Fingerprint string
}

// VerdictOf sums up connections.
func VerdictOf(list []connectivity.Connection) connectivity.Verdict {
	verdict := connectivity.VerdictBlocked
	for _, c := range list {
		if c.Unknown == "" {
			return connectivity.VerdictOpen
		}
		verdict = connectivity.VerdictUnknown
	}
	return verdict
}

// writeYAML writes what writeJSON would.
func writeYAML(w io.Writer, document any) error {
	text, err := yaml.Marshal(document)
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

func writeJSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
