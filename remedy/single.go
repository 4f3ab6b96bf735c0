package remedy

import (
	"context"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
)

// Standing is a review of a netpol that is there, as if it had let nobody through before:
// with it an edit that isolates less is seen to open more. It is false for one that does
// not parse.
func Standing(s *cluster.Snapshot, n *cluster.Netpol) (r guardrail.Review, ok bool) {
	draft, ok := n.Draft()
	if !ok {
		return r, false
	}
	draft.RemoveRules()
	shut, err := draft.Compile()
	if err != nil {
		return r, false
	}
	before, err := s.Apply(cluster.Change{Before: n, After: shut})
	if err != nil {
		return r, false
	}
	return guardrail.Review{Request: &admissionv1.AdmissionRequest{}, Change: cluster.Change{After: n}, Before: before, After: s, Origin: guardrail.Admission}, true
}

// OfPath looks for the edit of one netpol that shuts a path which is open: the one that
// would be advised if a guardrail forbade just that path.
func OfPath(ctx context.Context, s *cluster.Snapshot, from, to connectivity.Peer, ports connectivity.PortSet, o connectivity.Options) (best Remedy, found bool) {
	judge := &pathJudge{from: from, to: to, ports: ports, options: o}
	d, _ := judge.Evaluate(ctx, guardrail.Review{After: s})
	paths, editable := pathsOf(d)
	if !editable {
		return best, false
	}
	for _, name := range netpolsOf(paths) {
		namespace, own, _ := strings.Cut(name, "/")
		n, there := s.Netpol(namespace, own)
		if !there {
			continue
		}
		r, ok := Standing(s, n)
		if !ok {
			continue
		}
		r.Request = nil
		search := newSearch(ctx, judge, r, d)
		if a, ok := search.best(search.ownEdits()); ok && (!found || len(a.lost) < len(best.Lost)) {
			best, found = search.remedy(a), true
		}
	}
	return best, found
}

// netpolsOf are those whose rules let the paths through, of ingress first.
func netpolsOf(paths []path) []string {
	var out []string
	for _, p := range paths {
		for _, b := range slices.Backward(p.because) {
			if b.Rule != nil && !slices.Contains(out, b.Netpol) {
				out = append(out, b.Netpol)
			}
		}
	}
	return out
}

// pathJudge denies while one path is open.
type pathJudge struct {
	from, to connectivity.Peer
	ports    connectivity.PortSet
	options  connectivity.Options
}

// PathQuestions implements Evaluator.
func (j *pathJudge) PathQuestions() ([]guardrail.PathQuestion, error) { return nil, nil }

// Connectivity implements Evaluator.
func (j *pathJudge) Connectivity() connectivity.Options { return j.options }

// Evaluate implements Evaluator.
func (j *pathJudge) Evaluate(_ context.Context, r guardrail.Review) (guardrail.Decision, error) {
	var d guardrail.Decision
	x := connectivity.Explain(r.After, in(r.After, j.from), in(r.After, j.to), j.ports, j.options)
	for _, c := range x.Connections {
		d.Violations = append(d.Violations, guardrail.Violation{Guardrail: "path", Action: guardrail.Deny, Message: c.From.String() + c.To.String(), Details: detailsOf(c)})
	}
	if len(d.Violations) == 0 && x.Verdict != connectivity.VerdictBlocked {
		d.Violations = []guardrail.Violation{{Guardrail: "path", Action: guardrail.Deny}}
	}
	return d, nil
}

// in is the same peer in a snapshot.
func in(s *cluster.Snapshot, p connectivity.Peer) connectivity.Peer {
	if p.Workload != nil {
		if w, ok := s.Workload(p.Workload.Ref); ok {
			p.Workload = w
		}
	}
	return p
}

// detailsOf writes a connection as guardrails see it.
func detailsOf(c connectivity.Connection) map[string]any {
	end := func(p connectivity.Peer) map[string]any {
		if p.Workload == nil {
			return map[string]any{"cidr": p.CIDR.String()}
		}
		return map[string]any{"namespace": p.Workload.Namespace, "kind": p.Workload.Kind, "name": p.Workload.Name, "labels": p.Workload.Labels}
	}
	var ports, because []map[string]any
	for _, r := range c.Ports.Ranges() {
		ports = append(ports, map[string]any{"protocol": r.Protocol.String(), "port": r.First, "endPort": r.Last})
	}
	for _, b := range c.Because {
		reason := map[string]any{"direction": b.Direction.String(), "notIsolated": b.NotIsolated}
		if b.Netpol != (cluster.Ref{}) {
			reason["netpol"] = b.Netpol.Namespace + "/" + b.Netpol.Name
			if !b.NotIsolated {
				reason["rule"] = b.Rule
			}
		}
		because = append(because, reason)
	}
	return map[string]any{"from": end(c.From), "to": end(c.To), "ports": ports, "because": because, "unknown": string(c.Unknown)}
}
