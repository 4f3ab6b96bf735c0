package guardrail

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnproved(t *testing.T) {
	e, err := configure("c", `apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- {name: strict, guardrail: forbidden-paths, action: deny, parameters: {from: {}, to: {}}}
- {name: said, guardrail: forbidden-paths, action: deny, parameters: {from: {}, to: {}, unknown: open}}
- {name: all, guardrail: forbidden-paths, action: deny, parameters: {from: {}, to: {}, unknown: blocked}}
- {name: some, guardrail: forbidden-paths, action: deny, parameters: {from: {}, to: {}, unknown: {blocked: [unmodelled-kind, node-exception]}}}
- {name: needed, guardrail: required-paths, action: deny, parameters: {from: {}, to: {}, unknown: {open: [node-exception]}}}
- {name: needed-strict, guardrail: required-paths, action: deny, parameters: {from: {}, to: {}}}
- {name: deny, guardrail: default-deny, action: deny}
`, embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range e.Unproved() {
		got = append(got, u.String())
	}
	if diff := cmp.Diff([]string{
		"guardrail all leaves unproved what is unknown for whatever reason: it counts as blocked",
		"guardrail some leaves unproved what is unknown because of unmodelled-kind, node-exception: it counts as blocked",
		"guardrail needed leaves unproved what is unknown because of node-exception: it counts as open",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhoAsksForLabelsOfNamespaces(t *testing.T) {
	for name, tt := range map[string]struct {
		guardrail string
		want      bool
	}{
		"Nobody":        {"{name: a, guardrail: default-deny, action: deny}", false},
		"ByName":        {"{name: a, guardrail: default-deny, action: deny, match: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: x}}}}", false},
		"AMatch":        {"{name: a, guardrail: default-deny, action: deny, match: {namespaceSelector: {matchLabels: {env: prod}}}}", true},
		"AQuestion":     {"{name: a, guardrail: forbidden-paths, action: deny, parameters: {to: {}, from: {namespaceSelector: {matchExpressions: [{key: env, operator: DoesNotExist}]}}}}", true},
		"EveryNameOnly": {"{name: a, guardrail: forbidden-paths, action: deny, parameters: {to: {}, from: {namespaceSelector: {}}}}", false},
	} {
		e, err := configure("c", "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\nguardrails:\n- "+tt.guardrail+"\n", embedded(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.AsksNamespaceLabels(); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
