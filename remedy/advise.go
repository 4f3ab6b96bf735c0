package remedy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// Advise is what a person reads about a review that was denied: the remedy, or, where
// no small edit settles it, what else there is to do. It is empty where the guardrails'
// own advice says it better, and when the search was interrupted.
func Advise(ctx context.Context, e Evaluator, r guardrail.Review, d guardrail.Decision) string {
	if found, ok := Find(ctx, e, r, d); ok {
		return found.Advice()
	}
	if ctx.Err() != nil {
		return ""
	}
	return otherwise(e, r, d)
}

// otherwise says which of these are left: another label, the owner of a netpol, an
// exemption. It is about opened paths between workloads alone: of isolation that goes, of
// a path that must be there, and of pods that could be created, the guardrail itself
// says what to apply.
func otherwise(e Evaluator, r guardrail.Review, d guardrail.Decision) string {
	paths, certain := pathsOf(d)
	if !certain || r.Change.After == nil || len(paths) == 0 || slices.ContainsFunc(paths, path.isElsewhere) || !allPaths(d) {
		return ""
	}
	s := &search{review: r, paths: paths}
	s.questions, _ = e.PathQuestions()
	var ways []string
	if text := s.otherLabel(); text != "" {
		ways = append(ways, text)
	}
	if text := s.owners(); text != "" {
		ways = append(ways, text)
	}
	var names []string
	for _, p := range paths {
		if !slices.Contains(names, p.guardrail) {
			names = append(names, p.guardrail)
		}
	}
	ways = append(ways, "ask for an exemption from "+join(names))
	last := len(ways) - 1
	if last > 0 {
		ways[last] = "or " + ways[last]
	}
	return "no small edit of this change settles it: " + strings.Join(ways, ", ")
}

// isElsewhere tells whether a guardrail has better words for the path.
func (p path) isElsewhere() bool {
	return p.isObstacle() || p.entrance || p.from.Witness || p.to.Witness
}

// allPaths tells whether everything that is denied is a path.
func allPaths(d guardrail.Decision) bool {
	for _, v := range d.With(guardrail.Deny) {
		one := guardrail.Decision{Violations: []guardrail.Violation{v}}
		if paths, certain := pathsOf(one); !certain || len(paths) == 0 {
			return false
		}
	}
	return true
}

// otherLabel names the labels by which the guardrails choose the object.
func (s *search) otherLabel() string {
	l, ok := labelledOf(s.review.Change.After)
	if !ok {
		return ""
	}
	asked := s.askedKeys()
	var out []string
	for k, v := range l.labels {
		if asked[k] {
			out = append(out, k+"="+v)
		}
	}
	if len(out) == 0 {
		return ""
	}
	slices.Sort(out)
	what := "the label"
	if len(out) > 1 {
		what = "one of the labels"
	}
	return fmt.Sprintf("change %s %s if it says what %s is not", what, join(out), s.review.Change.Ref())
}

// owners names the netpols beside the change that let the paths through.
func (s *search) owners() string {
	var out []string
	for _, p := range s.paths {
		for _, b := range p.because {
			if b.Netpol == "" || b.Rule == nil {
				continue
			}
			namespace, name, _ := strings.Cut(b.Netpol, "/")
			ref := cluster.Ref{Namespace: namespace, Kind: "NetworkPolicy", Name: name}
			direction := cluster.Ingress
			if b.Direction == cluster.Egress.String() {
				direction = cluster.Egress
			}
			text := fmt.Sprintf("NetworkPolicy %s (%s)", b.Netpol, ruleAt{direction, *b.Rule})
			if ref != s.review.Change.Ref() && !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	if len(out) == 0 {
		return ""
	}
	if n := len(out) - maxOwners; n > 0 {
		out = append(out[:maxOwners:maxOwners], fmt.Sprintf("%d more", n))
	}
	return "ask the owner of " + join(out)
}

// maxOwners is how many netpols are named.
const maxOwners = 3
