package guardrail

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// readsObject reports whether a module reads the object as sent. Whatever is not
// plainly something else counts as reading it.
func readsObject(m *ast.Module) bool {
	return reads(m, func(field string) bool { return slices.Contains([]string{"", "object", "oldObject", "options"}, field) })
}

// readsRequest reports whether a module reads more of the request than which object
// changes and how.
func readsRequest(m *ast.Module) bool {
	return reads(m, func(field string) bool {
		return !slices.Contains([]string{"kind", "resource", "namespace", "name", "operation", timeField}, field)
	})
}

// readsOccasion reports whether a module reads something that may be new although the
// object is as it was.
func readsOccasion(m *ast.Module) bool {
	return reads(m, func(field string) bool {
		return !slices.Contains([]string{"kind", "resource", "namespace", "name", "operation", "object", "oldObject"}, field)
	})
}

// timeField stands for input.time where reads asks about a field of the request.
const timeField = "time of the review"

// reads reports whether a module reads one of some fields of the request, or what may
// hold them.
func reads(m *ast.Module, counts func(field string) bool) bool {
	reads := false
	ast.WalkTerms(m, func(t *ast.Term) bool {
		if v, ok := t.Value.(ast.Var); ok && v == ast.InputRootDocument.Value {
			reads = true // input as a whole; refs are handled below and not descended into
		}
		ref, ok := t.Value.(ast.Ref)
		if !ok || len(ref) == 0 || !ref[0].Equal(ast.InputRootDocument) {
			return false
		}
		reads = reads || !readsOther(ref, counts)
		for _, part := range ref[1:] {
			if _, isVar := part.Value.(ast.Var); !isVar && !part.IsGround() {
				reads = true
			}
		}
		return true
	})
	return reads
}

func readsOther(ref ast.Ref, counts func(field string) bool) bool {
	field := func(i int) string {
		if i >= len(ref) {
			return ""
		}
		s, _ := ref[i].Value.(ast.String)
		return string(s)
	}
	switch field(1) {
	case "parameters", "origin":
		return true
	case "time":
		return !counts(timeField)
	case "request", "review":
		return !counts(field(2))
	}
	return false
}

func usesLibraryThat(reads func(*ast.Module) bool, m *ast.Module, all map[string]*ast.Module) bool {
	usesLibrary := false
	ast.WalkRefs(m, func(r ast.Ref) bool {
		usesLibrary = usesLibrary || (len(r) > 1 && r[0].Equal(ast.DefaultRootDocument) && r[1].Equal(ast.StringTerm("lib")))
		return usesLibrary
	})
	if !usesLibrary {
		return false
	}
	for _, other := range all {
		if packagePath(other)[0] == "lib" && reads(other) {
			return true
		}
	}
	return false
}
