package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
)

// APIVersion is that of every JSON document.
const APIVersion = "podcullis.io/v1alpha1"

// Location is a place in a file; Line counts from 1.
type Location struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

func (l Location) String() string { return fmt.Sprintf("%s:%d", l.File, l.Line) }

// Finding is a violation, the object with which it is reported, and where that is.
type Finding struct {
	guardrail.Violation
	Object   cluster.Ref
	Location Location
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

func writeJSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
