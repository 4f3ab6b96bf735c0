package guardrail

import "slices"

// Use is one configured guardrail, for who wants to read about it.
type Use struct {
	Instance
	// Of is the Rego guardrail.
	Of *Guardrail
	// Exemptions are those from it.
	Exemptions []Exemption
}

// Use is the guardrail of a name of the configuration, the one that messages print.
func (e *Engine) Use(name string) (Use, bool) {
	set := e.current.Load()
	for _, i := range set.instances {
		if i.Name != name {
			continue
		}
		use := Use{Instance: i.Instance, Of: i.Guardrail}
		for _, x := range set.config.Exemptions {
			if slices.Contains(x.Guardrails, name) {
				use.Exemptions = append(use.Exemptions, x)
			}
		}
		return use, true
	}
	return Use{}, false
}

// Fields are those of the match that say something, as the configuration has them.
func (m *Match) Fields() map[string]any {
	out := map[string]any{}
	for name, list := range map[string][]string{
		"namespaces": m.Namespaces, "excludedNamespaces": m.ExcludedNamespaces, "kinds": m.Kinds, "workloads": m.Workloads,
		"netpols": m.Netpols, "users": m.Users, "groups": m.Groups,
	} {
		if len(list) > 0 {
			out[name] = list
		}
	}
	if len(m.NamespaceSelector) > 0 {
		out["namespaceSelector"] = m.NamespaceSelector
	}
	return out
}
