package guardrail

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"
)

// configValidator collects what is wrong in a configuration, each with the line
// of the field that it is about.
type configValidator struct {
	file string
	root *yaml.Node
	errs []error
	// faults are the same, by field.
	faults []FieldFault
}

func (v *configValidator) err() error { return errors.Join(v.errs...) }

// at reports an error about the field at a path of keys and indices.
func (v *configValidator) at(path []any, format string, args ...any) {
	line, at := v.root.Line, ""
	node := v.root
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	for _, step := range path {
		switch step := step.(type) {
		case int:
			at += "[" + strconv.Itoa(step) + "]"
		default:
			if node != nil && node.Kind == yaml.SequenceNode {
				at += "[" + fmt.Sprint(step) + "]" // a JSON path spells an index as text
				break
			}
			at += "." + fmt.Sprint(step)
		}
		if node = child(node, step); node != nil {
			line = node.Line
		}
	}
	fault := FieldFault{strings.TrimPrefix(at, "."), fmt.Sprintf(format, args...)}
	v.faults = append(v.faults, fault)
	v.errs = append(v.errs, fmt.Errorf("%s:%d: %w", v.file, line, fault))
}

// child is the node one step below; nil when there is none, so that the error
// stays at the nearest line that exists.
func child(n *yaml.Node, step any) *yaml.Node {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == fmt.Sprint(step) {
				return n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		i, ok := step.(int)
		if !ok {
			i, _ = strconv.Atoi(fmt.Sprint(step))
		}
		if i < len(n.Content) {
			return n.Content[i]
		}
	case yaml.AliasNode:
		return child(n.Alias, step)
	}
	return nil
}

func (v *configValidator) check(c *Config) {
	if c.APIVersion != ConfigAPIVersion {
		v.at([]any{"apiVersion"}, "got %q, want %s", c.APIVersion, ConfigAPIVersion)
	}
	if c.Kind != ConfigKind {
		v.at([]any{"kind"}, "got %q, want %s", c.Kind, ConfigKind)
	}
	if c.Guardrails == nil {
		v.at([]any{"guardrails"}, "missing; without a guardrail everything would pass")
	}
	if !slices.Contains([]Messages{"", FullMessages, OwnNamespaceMessages}, c.Messages) {
		v.at([]any{"messages"}, "got %q, want %s or %s", c.Messages, FullMessages, OwnNamespaceMessages)
	}
	for i, n := range c.Exclude.Namespaces {
		v.checkNamespace(n, []any{"exclude", "namespaces", i})
	}
	names := map[string]bool{}
	for i := range c.Guardrails {
		v.checkInstance(&c.Guardrails[i], []any{"guardrails", i}, names)
	}
	exemptions := map[string]bool{}
	for i := range c.Exemptions {
		v.checkExemption(&c.Exemptions[i], []any{"exemptions", i}, names, exemptions)
	}
	for i := range c.ExtraWorkloads {
		v.checkExtraWorkload(c.ExtraWorkloads, i, []any{"extraWorkloads", i})
	}
	for i, text := range c.PodNetwork {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			v.at([]any{"podNetwork", i}, "%q is not a CIDR such as 10.244.0.0/16", text)
			continue
		}
		c.podNetwork = append(c.podNetwork, p.Masked())
	}
}

func (v *configValidator) checkInstance(in *Instance, path []any, names map[string]bool) {
	if in.Name == "" {
		v.at(under(path, "name"), "missing; it is shown in messages")
	} else if names[in.Name] {
		v.at(under(path, "name"), "%q is used twice; names are unique", in.Name)
	}
	if in.Name != "" && !instanceName.MatchString(in.Name) {
		v.at(under(path, "name"), "%q: want up to 63 letters, digits, '-', '_' or '.', beginning with a letter or digit", in.Name)
	}
	names[in.Name] = true
	if in.Guardrail == "" {
		v.at(under(path, "guardrail"), "missing; it says which Rego guardrail to use")
	}
	if !slices.Contains([]Action{Deny, Warn, AuditOnly}, in.Action) {
		v.at(under(path, "action"), "got %q, want deny, warn or audit", in.Action)
	}
	v.checkAbout(in.About(), path)
	v.checkMatch(&in.Match, under(path, "match"))
	if len(in.Match.Workloads) > 0 {
		v.at(under(path, "match", "workloads"), "an exemption can name workloads, a guardrail cannot: the paths of a workload are opened by NetworkPolicies and namespaces, too")
	}
	for _, f := range []struct {
		field string
		names []string
	}{{"netpols", in.Match.Netpols}, {"users", in.Match.Users}, {"groups", in.Match.Groups}} {
		if len(f.names) > 0 {
			v.at(under(path, "match", f.field), "an exemption can name %s, a guardrail cannot", f.field)
		}
	}
}

func (v *configValidator) checkExemption(e *Exemption, path []any, guardrails, names map[string]bool) {
	if e.Name == "" {
		v.at(under(path, "name"), "missing")
	} else if names[e.Name] {
		v.at(under(path, "name"), "%q is used twice; names are unique", e.Name)
	}
	names[e.Name] = true
	if len(e.Guardrails) == 0 {
		v.at(under(path, "guardrails"), "missing; name the guardrails that it is an exemption from")
	}
	for i, g := range e.Guardrails {
		if !guardrails[g] && (e.home != "" || !strings.Contains(g, "/")) { // that of a constraint is looked up with it
			v.at(under(path, "guardrails", i), "no guardrail is named %q", g)
		}
	}
	if e.Reason == "" {
		v.at(under(path, "reason"), "missing; say why, for whoever reads it later")
	}
	if e.Expires != "" {
		day, err := time.Parse(time.DateOnly, e.Expires)
		if err != nil {
			v.at(under(path, "expires"), "%q is not a day such as 2027-01-31", e.Expires)
		}
		e.until = day.AddDate(0, 0, 1)
	}
	v.checkMatch(&e.Match, under(path, "match"))
}

// instanceName keeps names to what fits on one line, in a metric and in an
// audit annotation.
var instanceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func (v *configValidator) checkNamespace(name string, path []any) {
	if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
		v.at(path, "%q is not a namespace's name: there are no patterns here", name)
	}
}

func (v *configValidator) checkMatch(m *Match, path []any) {
	for i, w := range m.Workloads {
		v.checkWorkload(w, under(path, "workloads", i))
	}
	for i, n := range m.Netpols {
		v.checkNetpol(n, under(path, "netpols", i))
	}
	for i, u := range m.Users {
		v.checkWho(u, "user", under(path, "users", i))
	}
	for i, g := range m.Groups {
		v.checkWho(g, "group", under(path, "groups", i))
	}
	for i, n := range m.Namespaces {
		v.checkNamespace(n, under(path, "namespaces", i))
	}
	for i, n := range m.ExcludedNamespaces {
		v.checkNamespace(n, under(path, "excludedNamespaces", i))
	}
	raw, err := json.Marshal(m.NamespaceSelector)
	if err == nil {
		m.selector, err = parseSelector("", raw)
	}
	if err != nil {
		v.at(under(path, "namespaceSelector"), "%s", strings.TrimPrefix(err.Error(), ": "))
	}
}

func under(path []any, steps ...any) []any { return append(slices.Clone(path), steps...) }
