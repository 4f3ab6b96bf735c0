package breach

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// Breach is a violation that got in.
type Breach struct {
	guardrail.Violation
	// More is how many violations of the same guardrail the same change made beside it.
	More int
	// By are the changes that made it, the last one first. It is one, or several of which
	// none does without the others.
	By []Cause
	// Delay is from the watch event that made it to its report.
	Delay time.Duration
	// Found is set for one that was not seen to get in, but found by an audit: By then names
	// the object with which it is reported.
	Found bool
	// words is the violation as its guardrail says it beside one of the changes.
	words func(context.Context) guardrail.Violation
}

// Cause is one of the changes that made a violation.
type Cause struct {
	Ref cluster.Ref
	// Group is the API group of the object's kind.
	Group string
	// Did is created, updated or deleted.
	Did   string
	Write cluster.Write
}

// String says it as people do: "NetworkPolicy shop/hole created (resourceVersion 7, by
// kubectl-create at 10:00:00Z)". By is what the client calls itself.
func (c Cause) String() string {
	kind, _, _ := strings.Cut(c.Ref.Kind, ".")
	name := c.Ref.Name
	if c.Ref.Namespace != "" {
		name = c.Ref.Namespace + "/" + name
	}
	var known []string
	if c.Write.ResourceVersion != "" {
		known = append(known, "resourceVersion "+c.Write.ResourceVersion)
	}
	if c.Write.Manager != "" {
		known = append(known, "by "+c.Write.Manager+" at "+c.Write.At.UTC().Format(time.RFC3339))
	}
	text := kind + " " + name + " " + c.Did
	if len(known) > 0 {
		text += " (" + strings.Join(known, ", ") + ")"
	}
	return text
}

// Causes says which changes made it, in one line.
func (b Breach) Causes() string {
	texts := make([]string, 0, len(b.By))
	for i, c := range b.By {
		if i == maxNamed {
			texts = append(texts, fmt.Sprintf("%d more", len(b.By)-i))
			break
		}
		texts = append(texts, c.String())
	}
	return strings.Join(texts, ", together with ")
}

// maxNamed bounds how many changes a report names.
const maxNamed = 4

// Line is the message in one line.
func (b Breach) Line() string {
	lines := strings.Split(b.Message, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}

// bundle makes one of the breaches of one guardrail that have the same last change: people
// want to be told of it once.
func bundle(all []Breach) []Breach {
	type made struct {
		guardrail, version string
		ref                cluster.Ref
	}
	at := map[made]int{}
	var out []Breach
	for _, b := range all {
		m := made{b.Guardrail, b.By[0].Write.ResourceVersion, b.By[0].Ref}
		if i, ok := at[m]; ok {
			out[i].More++
			continue
		}
		at[m] = len(out)
		out = append(out, b)
	}
	return out
}

// later orders causes, the last one first. Resource versions of one API server grow
// across all kinds.
func later(a, b Cause) int {
	x, errX := strconv.ParseUint(a.Write.ResourceVersion, 10, 64)
	y, errY := strconv.ParseUint(b.Write.ResourceVersion, 10, 64)
	if errX == nil && errY == nil && x != y {
		return cmp.Compare(y, x)
	}
	return cmp.Or(b.Write.Seen.Compare(a.Write.Seen), a.Ref.Compare(b.Ref))
}

// cause describes a change. The journal is looked through from its end.
func cause(c cluster.Change, journal []cluster.Written) Cause {
	out := Cause{Ref: c.Ref(), Group: c.Group()}
	switch {
	case c.Before == nil:
		out.Did = "created"
	case c.After == nil:
		out.Did = "deleted"
	default:
		out.Did = "updated"
	}
	for _, w := range slices.Backward(journal) {
		if w.Ref == out.Ref {
			out.Write = w.Write
			break
		}
	}
	return out
}

func list(names []string) string { return strings.Join(names, " ") }
