package guardrail

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// Unproved is what a guardrail takes for granted: its parameter unknown says that
// paths count as harmless which are neither proved open nor proved blocked.
type Unproved struct {
	Guardrail string
	// Counts is how such a path counts: "blocked" or "open".
	Counts string
	// Reasons are those for which it does; empty means for every one.
	Reasons []connectivity.Uncertainty
}

// String is a sentence.
func (u Unproved) String() string {
	why := "for whatever reason"
	if len(u.Reasons) > 0 {
		why = "because of " + join(u.Reasons)
	}
	return fmt.Sprintf("guardrail %s leaves unproved what is unknown %s: it counts as %s", u.Guardrail, why, u.Counts)
}

// Unproved lists the configured guardrails that leave something unproved, in order.
func (e *Engine) Unproved() []Unproved {
	var out []Unproved
	for _, in := range e.current.Load().instances {
		strict, given := in.unknownParameter()
		if !in.schema.asksPaths || strict == nil || reflect.DeepEqual(strict, given) {
			continue
		}
		switch given := given.(type) {
		case string:
			out = append(out, Unproved{Guardrail: in.Name, Counts: given})
		case map[string]any:
			for counts, list := range given {
				u := Unproved{Guardrail: in.Name, Counts: counts}
				reasons, _ := list.([]any)
				for _, r := range reasons {
					u.Reasons = append(u.Reasons, connectivity.Uncertainty(fmt.Sprint(r)))
				}
				out = append(out, u)
			}
		}
	}
	return out
}

// unknownParameter is the default of the parameter unknown, which is the strict one,
// and what is configured.
func (i *instance) unknownParameter() (strict, given any) {
	properties, _ := i.schema.document["properties"].(map[string]any)
	schema, _ := properties["unknown"].(map[string]any)
	parameters, err := ast.JSON(i.parameters.Value)
	if err != nil {
		return nil, nil
	}
	of, _ := parameters.(map[string]any)
	return schema["default"], of["unknown"]
}

// AsksNamespaceLabels reports whether a configured guardrail chooses namespaces by
// labels other than their name.
func (e *Engine) AsksNamespaceLabels() bool {
	for _, in := range e.current.Load().instances {
		if len(in.Match.NamespaceSelector) > 0 && cluster.AsksForLabels(in.Match.selector) {
			return true
		}
		if parameters, err := ast.JSON(in.parameters.Value); err == nil && asksNamespaceLabels(parameters) {
			return true
		}
	}
	return false
}

// asksNamespaceLabels looks for namespaceSelectors in parameters, wherever they are.
func asksNamespaceLabels(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if asksNamespaceLabels(x) {
				return true
			}
		}
	case map[string]any:
		for key, x := range v {
			if strings.HasSuffix(key, "amespaceSelector") && selectsByLabels(x) || asksNamespaceLabels(x) {
				return true
			}
		}
	}
	return false
}

func selectsByLabels(v any) bool {
	raw, err := json.Marshal(v)
	if err != nil {
		return false
	}
	s, err := parseSelector("", raw)
	return err == nil && cluster.AsksForLabels(s)
}
