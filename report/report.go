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

// Verdict is what an explanation comes to.
type Verdict string

// The verdicts. The zero Verdict is none of them.
const (
	Blocked Verdict = "blocked"
	Open    Verdict = "open"
	// Unknown: neither proved open nor proved blocked.
	Unknown Verdict = "unknown"
)

// Explanation is why one peer can reach another, or cannot.
type Explanation struct {
	From, To connectivity.Peer
	// Asked are the ports in question.
	Asked connectivity.PortSet
	// Verdict is Open when some of the ports are: Connections says which.
	Verdict     Verdict
	Connections []connectivity.Connection
	// Sides are the ends inside the cluster, egress first. A connection needs
	// both to agree on a port.
	Sides []Side
}

// Side is what the netpols of one end say, without regard to the other end.
type Side struct {
	Direction cluster.Direction
	Workload  *cluster.Workload
	Verdict   Verdict
	// Isolation are the netpols that isolate this end.
	Isolation []cluster.Ref
	// Connections are what this side alone lets through, of what was asked.
	Connections []connectivity.Connection
}

// VerdictOf sums up connections.
func VerdictOf(list []connectivity.Connection) Verdict {
	verdict := Blocked
	for _, c := range list {
		if c.Unknown == "" {
			return Open
		}
		verdict = Unknown
	}
	return verdict
}

func writeJSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
