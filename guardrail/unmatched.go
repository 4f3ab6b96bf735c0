package guardrail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// Unmatched is something that chooses nobody: one end of a guardrail's question about
// paths, the match of a guardrail or an exemption, or a netpol. It says nothing then,
// and a misspelt label looks just so.
type Unmatched struct {
	// Guardrail or Exemption is the name in the configuration; both are empty for a netpol.
	Guardrail, Exemption string
	// Side is from or to, of the guardrail's parameters, or match.
	Side string
	// Netpol is the netpol; zero for what is in the configuration.
	Netpol cluster.Ref
	// Selector is what chooses nobody: "podSelector teir=db".
	Selector string
}

// String says it in one line.
func (u Unmatched) String() string {
	switch {
	case u.Exemption != "":
		return fmt.Sprintf("exemption %s: match chooses nobody: %s", u.Exemption, u.Selector)
	case u.Guardrail == "":
		return fmt.Sprintf("NetworkPolicy %s/%s selects no pod: %s", u.Netpol.Namespace, u.Netpol.Name, u.Selector)
	case u.Side == matchSide:
		return fmt.Sprintf("guardrail %s: match chooses nobody: %s", u.Guardrail, u.Selector)
	}
	return fmt.Sprintf("guardrail %s: %s chooses no workload: %s", u.Guardrail, u.Side, u.Selector)
}

// matchSide is the Side of what is said of a match.
const matchSide = "match"

// Unmatched lists the questions of the configured guardrails of which an end chooses
// nobody in a snapshot, and the netpols of that snapshot that select nobody.
func (e *Engine) Unmatched(s *cluster.Snapshot) ([]Unmatched, error) {
	out := e.current.Load().idleMatches(s)
	err := e.eachPathQuestion(func(in *instance, q pathQuestion) {
		for _, end := range []struct {
			side     string
			elements [][]connectivity.Selection
		}{{"from", q.From}, {"to", q.To}} {
			for _, parts := range end.elements {
				somebody := func(p connectivity.Selection) bool { return p.ChoosesSomebody(s) }
				if !slices.ContainsFunc(parts, somebody) {
					out = append(out, Unmatched{Guardrail: in.Name, Side: end.side, Selector: parts[0].String()})
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return append(out, idleNetpols(s)...), nil
}

// idleNetpols are the netpols that select nobody. One that selects whoever is in its
// namespace waits for them, unless nothing else speaks of that namespace while there
// are workloads in others: then its name looks misspelt.
func idleNetpols(s *cluster.Snapshot) []Unmatched {
	var out []Unmatched
	inhabited := false
	for range s.AllWorkloads() {
		inhabited = true
		break
	}
	for ns := range s.Namespaces() {
		members := s.Members(ns.Name)
		for _, n := range s.Netpols(ns.Name) {
			selector := "podSelector " + n.Selector.String()
			if n.Selector.SelectsAll() {
				if !inhabited || !ns.Implied {
					continue
				}
				selector = "there is none in namespace " + ns.Name
			}
			if members.Select(n.Selector).None() {
				out = append(out, Unmatched{Netpol: n.Ref(), Selector: selector})
			}
		}
	}
	return out
}

// idleMatches are the guardrails and exemptions whose match names namespaces or
// workloads of which there are none.
func (s *ruleset) idleMatches(snapshot *cluster.Snapshot) []Unmatched {
	var out []Unmatched
	for _, i := range s.instances {
		if selector := i.Match.choosesNobody(snapshot); selector != "" {
			out = append(out, Unmatched{Guardrail: i.Name, Side: matchSide, Selector: selector})
		}
	}
	for _, x := range s.config.Exemptions {
		if selector := x.Match.choosesNobody(snapshot); selector != "" {
			out = append(out, Unmatched{Exemption: x.Name, Side: matchSide, Selector: selector})
		}
	}
	return out
}

// choosesNobody says what of a match chooses nobody; empty when it chooses somebody,
// or names nobody in particular.
func (m *Match) choosesNobody(s *cluster.Snapshot) string {
	namespaces, workloads := false, len(m.Workloads) == 0 && len(m.Netpols) == 0
	for ns := range s.Namespaces() {
		if len(m.Namespaces) > 0 && !slices.Contains(m.Namespaces, ns.Name) || slices.Contains(m.ExcludedNamespaces, ns.Name) {
			continue
		}
		if len(m.NamespaceSelector) > 0 && m.selector.Matches(ns.Labels) == selector.No {
			continue
		}
		namespaces = true
		if workloads {
			break
		}
		for w := range s.Workloads(ns.Name) {
			workloads = workloads || m.namesWorkload(w.Ref)
		}
		for _, n := range s.Netpols(ns.Name) {
			workloads = workloads || slices.Contains(m.Netpols, n.Name)
		}
	}
	switch {
	case !namespaces && len(m.NamespaceSelector) > 0:
		return "namespaceSelector " + m.selector.String()
	case !namespaces && len(m.Namespaces) > 0:
		return "namespaces " + strings.Join(m.Namespaces, ", ")
	case !workloads && len(m.Workloads) == 0:
		return "netpols " + strings.Join(m.Netpols, ", ")
	case !workloads:
		return "workloads " + strings.Join(slices.Concat(m.Workloads, m.Netpols), ", ")
	}
	return ""
}
