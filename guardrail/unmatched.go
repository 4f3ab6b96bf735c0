package guardrail

import (
	"fmt"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// Unmatched is a question about paths of which one end chooses nobody, or a netpol
// that selects nobody. It says nothing then, and a misspelt label looks just so.
type Unmatched struct {
	// Guardrail is the name in the configuration; empty for a netpol.
	Guardrail string
	// Side is from or to, of the guardrail's parameters.
	Side string
	// Netpol is the netpol; zero for a guardrail.
	Netpol cluster.Ref
	// Selector is what chooses nobody: "podSelector teir=db".
	Selector string
}

// String says it in one line.
func (u Unmatched) String() string {
	if u.Guardrail == "" {
		return fmt.Sprintf("NetworkPolicy %s/%s selects no pod: %s", u.Netpol.Namespace, u.Netpol.Name, u.Selector)
	}
	return fmt.Sprintf("guardrail %s: %s chooses no workload: %s", u.Guardrail, u.Side, u.Selector)
}

// Unmatched lists the questions of the configured guardrails of which an end chooses
// nobody in a snapshot, and the netpols of that snapshot that select nobody.
func (e *Engine) Unmatched(s *cluster.Snapshot) ([]Unmatched, error) {
	questions, err := e.PathQuestions()
	if err != nil {
		return nil, err
	}
	var out []Unmatched
	for _, q := range questions {
		for _, end := range []struct {
			side string
			connectivity.Selection
		}{{"from", q.From}, {"to", q.To}} {
			if !end.ChoosesSomebody(s) {
				out = append(out, Unmatched{Guardrail: q.Guardrail, Side: end.side, Selector: end.String()})
			}
		}
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
