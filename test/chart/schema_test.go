package chart

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// schema is a JSON schema.
type schema map[string]any

func schemaOf(t *testing.T) schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s schema) properties() map[string]any {
	p, _ := s["properties"].(map[string]any)
	return p
}

func (s schema) at(name string) schema {
	p, _ := s.properties()[name].(map[string]any)
	return p
}

func (s schema) items() schema {
	i, _ := s["items"].(map[string]any)
	return i
}

func (s schema) defined(name string) schema {
	d, _ := s["$defs"].(map[string]any)
	one, _ := d[name].(map[string]any)
	return one
}

func (s schema) names() []string { return slices.Sorted(maps.Keys(s.properties())) }

// What somebody mistypes is refused, in words that say where.
func TestSchemaRefuses(t *testing.T) {
	cases := map[string]struct{ reason, values, want string }{
		"UnknownValue":        {"a typo must not be silence", "mod: enforce", "at '': additional properties 'mod' not allowed"},
		"UnknownNested":       {"at any depth", "webhook: {netpols: {failurepolicy: Fail}}", "at '/webhook/netpols': additional properties 'failurepolicy' not allowed"},
		"UnknownMode":         {"the modes are three", "mode: dry-run", "at '/mode': value must be one of 'audit', 'warn', 'enforce'"},
		"FailurePolicy":       {"as the API has it", "webhook: {workloads: {failurePolicy: fail}}", "at '/webhook/workloads/failurePolicy': value must be one of 'Ignore', 'Fail'"},
		"Timeout":             {"the API allows 30 s", "webhook: {netpols: {timeoutSeconds: 60}}", "at '/webhook/netpols/timeoutSeconds': maximum: got 60, want 30"},
		"GuardrailWithout":    {"a list replaces the default", "configuration: {guardrails: [{action: deny}]}", "at '/configuration/guardrails/0': missing properties 'name', 'guardrail'"},
		"NoGuardrails":        {"an empty set would be allow-all", "configuration: {guardrails: []}", "at '/configuration/guardrails': minItems: got 0, want 1"},
		"Match":               {"a misspelt match would match everything", "configuration: {guardrails: [{name: a, guardrail: default-deny, action: deny, match: {namespace: [a]}}]}", "at '/configuration/guardrails/0/match': additional properties 'namespace' not allowed"},
		"ExemptionWithReason": {"an exemption has a reason", "configuration: {exemptions: [{name: a, guardrails: [default-deny]}]}", "at '/configuration/exemptions/0': missing property 'reason'"},
		"OwnLabel":            {"selectors count on it", "podLabels: {app.kubernetes.io/name: other}", "at '/podLabels/app.kubernetes.io~1name': value must be 'set by the chart'"},
		"Resource":            {"a limit that is none", "resources: {limits: {memmory: 1Gi}}", "at '/resources/limits': additional properties 'memmory' not allowed"},
		"Duration":            {"Go's durations have units", "drainTimeout: 100", "at '/drainTimeout': got number, want string"},
		"Digest":              {"half a digest is no digest", "image: {digest: sha256:abc}", "at '/image/digest': 'sha256:abc' does not match pattern"},
		"CABundle":            {"PEM, not base64 of PEM", "certificates: {existing: {caBundle: LS0t}}", "at '/certificates/existing/caBundle': 'LS0t' does not match pattern"},
		"CIDR":                {"an address is no block", "networkPolicy: {apiServerCIDRs: [10.0.0.1]}", "at '/networkPolicy/apiServerCIDRs/0': '10.0.0.1' does not match pattern"},
		"MissingSecret":       {"the pods would wait for ever", "certificates: {mode: existing}", "certificates.mode existing needs certificates.existing.secretName"},
		"SlowSeconds":         {"no quantile is above the last bucket", "prometheusRule: {slowSeconds: 5}", "at '/prometheusRule/slowSeconds': exclusiveMaximum: got 5, want 5"},
		"Memory":              {"GOMEMLIMIT is computed from it", "resources: {limits: {memory: 1Q}}", `want a number with k, M, G, Ki, Mi or Gi, such as 512Mi, got "1Q"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := rendered(t, tc.values)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s: %s", err, tc.want, tc.reason)
			}
		})
	}
}

// Every object of the schema refuses what it does not know, but for those that are
// somebody else's.
func TestSchemaIsClosed(t *testing.T) {
	open := map[string]bool{
		"global":                                true, // Helm's
		"configuration.guardrails[].parameters": true, // the guardrail's own schema
		"extraEnv[].valueFrom":                  true, "extraVolumes[]": true, "bundle.volume": true, "extraVolumeMounts[]": true, "resources.claims[]": true, "topologySpreadConstraints[]": true,
		"serviceMonitor.relabelings[]": true, "serviceMonitor.metricRelabelings[]": true, // the operator's
		"affinity.nodeAffinity": true, "affinity.podAffinity": true, "affinity.podAntiAffinity": true,
		"networkPolicy.metricsFrom[]": true, "networkPolicy.extraEgress[]": true, "networkPolicy.probesFrom[]": true, "podSecurityContext": true, "securityContext": true, "strategy.rollingUpdate": true, // the API server's validation
	}
	var walk func(path string, s schema)
	walk = func(path string, s schema) {
		if s["type"] == "object" && s["additionalProperties"] == nil && !open[path] {
			t.Errorf("%s takes anything", path)
		}
		for _, name := range s.names() {
			if strings.Contains(name, "/") {
				continue
			}
			child := s.at(name)
			if child["description"] == nil {
				t.Errorf("%s.%s has no description", path, name)
			}
			walk(strings.TrimPrefix(path+"."+name, "."), child)
		}
		if items := s.items(); items != nil {
			walk(path+"[]", items)
		}
	}
	root := schemaOf(t)
	walk("", root)
	definitions, _ := root["$defs"].(map[string]any)
	for name := range definitions {
		walk(name, root.defined(name))
	}
}

// values.yaml and the schema list the same values and describe them in the same
// words: the comment above a value is its description.
func TestSchemaAndValuesAreOne(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, values *yaml.Node, s schema)
	walk = func(path string, values *yaml.Node, s schema) {
		var names []string
		for i := 0; i < len(values.Content); i += 2 {
			key, value := values.Content[i], values.Content[i+1]
			names = append(names, key.Value)
			child := s.at(key.Value)
			comment := key.HeadComment
			if at := strings.LastIndex(comment, "\n\n"); at >= 0 {
				comment = comment[at+2:] // that of the file
			}
			words := strings.Join(strings.Fields(strings.ReplaceAll(comment, "#", "")), " ")
			if diff := cmp.Diff(words, child["description"]); diff != "" {
				t.Errorf("%s.%s (-values.yaml +values.schema.json):\n%s", path, key.Value, diff)
			}
			if value.Kind == yaml.MappingNode && len(value.Content) > 0 && child.properties() != nil {
				walk(path+"."+key.Value, value, child)
			}
		}
		slices.Sort(names)
		known := slices.DeleteFunc(s.names(), func(name string) bool {
			return path == ".resources" && name == "claims"
		})
		if diff := cmp.Diff(names, known); diff != "" {
			t.Errorf("%s (-values.yaml +values.schema.json):\n%s", path, diff)
		}
	}
	walk("", document.Content[0], schemaOf(t))
}
