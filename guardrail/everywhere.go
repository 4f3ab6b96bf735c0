package guardrail

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Embedded is the name of the Source with the guardrails that ship: each of them asks
// about pairs of namespaces.
const Embedded = "embedded"

// LooksEverywhere reports whether a guardrail in force may ask about more than pairs of
// namespaces: one that is not of the Embedded source and asks about the model, or one that
// follows routes, of which the one of a third namespace may lead from one to another.
func (e *Engine) LooksEverywhere() bool {
	return slices.ContainsFunc(e.current.Load().instances, func(i *instance) bool { return i.asksModel || i.needsEntries() })
}

// Excludes reports whether nobody judges what is in a namespace.
func (e *Engine) Excludes(namespace string) bool {
	return slices.Contains(e.current.Load().config.Exclude.Namespaces, namespace)
}

// asksModel reports whether a guardrail that does not ship asks about the cluster, by
// itself or by what it shares with others.
func asksModel(file string, m *ast.Module) bool {
	if strings.HasPrefix(file, Embedded+"/") {
		return false
	}
	asks := false
	ast.WalkRefs(m, func(r ast.Ref) bool {
		switch head := r[0].String(); head {
		case "netpol", "cluster", "data":
			asks = asks || !strings.HasPrefix(r.String(), m.Package.Path.String())
		}
		return false
	})
	return asks
}
