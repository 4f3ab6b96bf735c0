package drift

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// rules names each door that is not asked about any more. Where all of them are, the
// rules themselves are shown: with them somebody meant something.
func (i intended) rules(live, installed []admissionregistrationv1.RuleWithOperations) []string {
	if equality.Semantic.DeepEqual(live, installed) {
		return nil
	}
	if doors := lost(live, installed, i.doors); len(doors) > 0 {
		var out []string
		for _, door := range doors {
			out = append(out, door+" is not covered any more")
		}
		return out
	}
	added, gone := without(live, installed), without(installed, live)
	switch {
	case len(added) > 0 && len(gone) > 0:
		return []string{fmt.Sprintf("rules are %s, installed as %s", shown(added), shown(gone))}
	case len(added) > 0:
		return []string{fmt.Sprintf("rules %s are there, and were not installed", shown(added))}
	case len(gone) > 0:
		return []string{fmt.Sprintf("rules %s are missing", shown(gone))}
	}
	return nil // their order means nothing
}

// lost are the operations, by door, that the installed rules cover and the live ones do not.
func lost(live, installed []admissionregistrationv1.RuleWithOperations, doors []string) []string {
	var out []string
	for _, door := range doors {
		var gone []string
		for _, operation := range []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete} {
			if covers(installed, door, operation) && !covers(live, door, operation) {
				gone = append(gone, string(operation))
			}
		}
		if len(gone) > 0 {
			out = append(out, fmt.Sprintf("%s of %s", strings.Join(gone, ", "), strings.TrimPrefix(door, "/")))
		}
	}
	return out
}

// without are the rules that are not among the others.
func without(rules, others []admissionregistrationv1.RuleWithOperations) []admissionregistrationv1.RuleWithOperations {
	return slices.DeleteFunc(slices.Clone(rules), func(r admissionregistrationv1.RuleWithOperations) bool {
		return slices.ContainsFunc(others, func(o admissionregistrationv1.RuleWithOperations) bool { return equality.Semantic.DeepEqual(r, o) })
	})
}

// covers tells whether the API server asks about an operation on a door, which is of
// version v1. It matches as k8s.io/apiserver's rules.Matcher does, which would bring
// an API server's worth of packages.
func covers(rules []admissionregistrationv1.RuleWithOperations, door string, operation admissionregistrationv1.OperationType) bool {
	group, resource, _ := strings.Cut(door, "/")
	return slices.ContainsFunc(rules, func(r admissionregistrationv1.RuleWithOperations) bool {
		return anyOrOne(r.Operations, operation) && anyOrOne(r.APIGroups, group) && anyOrOne(r.APIVersions, "v1") &&
			slices.ContainsFunc(r.Resources, func(pattern string) bool { return matches(pattern, resource) }) &&
			inScope(r.Scope, resource)
	})
}

func anyOrOne[T ~string](list []T, one T) bool {
	return slices.Contains(list, "*") || slices.Contains(list, one)
}

// matches: "pods" and "*" are resources without their subresources, "pods/*" and
// "*/*" are those with them.
func matches(pattern, resource string) bool {
	name, sub, _ := strings.Cut(pattern, "/")
	wantName, wantSub, _ := strings.Cut(resource, "/")
	return (name == "*" || name == wantName) && (sub == "*" || sub == wantSub)
}

// inScope: of all doors only namespaces are no part of a namespace.
func inScope(scope *admissionregistrationv1.ScopeType, resource string) bool {
	if scope == nil || *scope == admissionregistrationv1.AllScopes {
		return true
	}
	name, _, _ := strings.Cut(resource, "/")
	return (name == "namespaces") == (*scope == admissionregistrationv1.ClusterScope)
}
