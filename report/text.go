package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// Style says how text looks. The zero Style has no colour.
type Style struct{ Colour bool }

const (
	red    = "31"
	yellow = "33"
	green  = "32"
	bold   = "1"
)

func (s Style) paint(code, text string) string {
	if !s.Colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s Style) verdict(v Verdict) string {
	return s.paint(map[Verdict]string{Open: red, Unknown: yellow, Blocked: green}[v], string(v))
}

// FindingsText writes findings grouped by object.
func FindingsText(w io.Writer, findings []Finding, s Style) error {
	var b bytes.Buffer
	for i, f := range findings {
		if i == 0 || findings[i-1].Object != f.Object {
			if i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "%s: %s\n", f.Location, s.paint(bold, title(f.Object)))
		}
		colour := yellow
		if f.Action == "deny" {
			colour = red
		}
		fmt.Fprintf(&b, "  %s [%s] %s\n", s.paint(colour, string(f.Action)), f.Guardrail, strings.ReplaceAll(f.Message, "\n", "\n  "))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// title is an object in the words of a message: "NetworkPolicy shop/allow-web".
func title(r cluster.Ref) string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// ConnectionsText writes connections as a table. What is not proved is marked
// unknown.
func ConnectionsText(w io.Writer, connections []connectivity.Connection) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "FROM\tTO\tPORTS\tBECAUSE")
	for _, c := range connections {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.From, c.To, portsText(c), becauseText(c.Because))
	}
	return t.Flush()
}

func portsText(c connectivity.Connection) string {
	if c.Unknown != "" {
		return "unknown: " + c.Ports.String()
	}
	return c.Ports.String()
}

// becauseText lists the reasons in one line. Rules count from 1, as people do.
func becauseText(all []connectivity.Because) string {
	var parts []string
	for _, d := range []cluster.Direction{cluster.Egress, cluster.Ingress} {
		var reasons []string
		for _, b := range all {
			if b.Direction == d {
				reasons = append(reasons, reasonText(b.Reason))
			}
		}
		if len(reasons) > 0 {
			parts = append(parts, d.String()+": "+strings.Join(reasons, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

func reasonText(r connectivity.Reason) string {
	var text string
	switch {
	case r.NotIsolated && r.Netpol == (cluster.Ref{}):
		text = "not isolated"
	case r.NotIsolated:
		text = "perhaps not isolated by " + netpolName(r.Netpol)
	case r.Netpol != (cluster.Ref{}):
		text = fmt.Sprintf("%s rule %d", netpolName(r.Netpol), r.Rule+1)
	default:
		return "unknown: " + string(r.Unknown)
	}
	switch {
	case r.Unknown != "":
		text += " (unknown: " + string(r.Unknown) + ")"
	case r.OverPods:
		text += " (an ipBlock that holds the pod's address)"
	}
	return text
}

// ExplanationText writes an explanation: the verdict, then each side.
func ExplanationText(w io.Writer, e Explanation, s Style) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s to %s on %s: %s\n", e.From, e.To, e.Asked, s.verdict(e.Verdict))
	for _, c := range e.Connections {
		if !c.Ports.Equal(e.Asked) || c.From != e.From || c.To != e.To || len(e.Connections) > 1 {
			state := Open
			if c.Unknown != "" {
				state = Unknown
			}
			fmt.Fprintf(&b, "  %s to %s on %s: %s\n", c.From, c.To, c.Ports, s.verdict(state))
		}
	}
	if e.Verdict == Blocked && disagree(e.Sides) {
		b.WriteString("  both sides let something through, but they agree on no port\n")
	}
	for _, side := range e.Sides {
		fmt.Fprintf(&b, "\n%s of %s: %s\n", side.Direction, side.Workload.Ref, s.verdict(side.Verdict))
		if side.Verdict == Blocked {
			fmt.Fprintf(&b, "  isolated by %s; no rule of theirs lets this through\n", names(side.Isolation))
			continue
		}
		for _, c := range side.Connections {
			for _, r := range c.Because {
				if r.Direction != side.Direction {
					continue
				}
				fmt.Fprintf(&b, "  %s on %s%s\n", reasonText(r.Reason), r.Ports, beyond(c, e))
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// beyond names the block of addresses that a connection is about, when the
// question was about a wider one.
func beyond(c connectivity.Connection, e Explanation) string {
	switch {
	case e.From.Workload == nil && c.From != e.From:
		return ", from " + c.From.String()
	case e.To.Workload == nil && c.To != e.To:
		return ", to " + c.To.String()
	}
	return ""
}

func disagree(sides []Side) bool {
	for _, s := range sides {
		if s.Verdict == Blocked {
			return false
		}
	}
	return true
}

func names(refs []cluster.Ref) string {
	var out []string
	for _, r := range refs {
		out = append(out, "NetworkPolicy "+netpolName(r))
	}
	return strings.Join(out, ", ")
}
