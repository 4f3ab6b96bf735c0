package guardrail

import (
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/selector"
)

// FieldFault is something wrong with one field, written as a path such as match.kinds[1].
type FieldFault struct{ Field, Message string }

func (f FieldFault) Error() string { return f.Field + ": " + f.Message }

// Check says what is wrong with one guardrail that is not in the file, as if it stood there
// beside the others: fields are those of the entry.
func (l *Library) Check(c *Config, in *Instance) []FieldFault {
	v := &configValidator{root: &yaml.Node{}}
	v.checkInstance(in, nil, map[string]bool{})
	if len(v.faults) > 0 {
		return v.faults
	}
	if _, err := v.prepareInstance(l, c, *in, nil); err != nil {
		return []FieldFault{{"guardrail", err.Error()}}
	}
	return v.faults
}

// NeedsEntries reports whether a guardrail that Check finds right asks what Services,
// Ingresses and routes lead to.
func (l *Library) NeedsEntries(c *Config, in *Instance) bool {
	v := &configValidator{root: &yaml.Node{}}
	made, err := v.prepareInstance(l, c, *in, nil)
	return err == nil && made != nil && made.needsEntries()
}

// CheckGranted says what is wrong with an exemption that was granted in a namespace. Each
// guardrail that it names must be one of those, and exemptible; no constraint is.
func CheckGranted(x *Exemption, instances []Instance) []FieldFault {
	v := &configValidator{root: &yaml.Node{}}
	names := map[string]bool{}
	for _, in := range instances {
		names[in.Name] = true
	}
	v.checkExemption(x, nil, names, map[string]bool{})
	if x.Expires == "" {
		v.at([]any{"expires"}, "missing; say until which day, such as 2027-01-31")
	}
	for i, name := range x.Guardrails {
		at := slices.IndexFunc(instances, func(in Instance) bool { return in.Name == name })
		if at >= 0 && !instances[at].Exemptible {
			v.at([]any{"guardrails", i}, "guardrail %s is not exemptible by objects: whoever keeps it writes exemptible: true there", name)
		}
	}
	return v.faults
}

// Extended is the configuration with guardrails and exemptions that are not in the file, and
// that Check and CheckGranted find right. What the file says stays as it is: a guardrail with a
// name that is there is an error.
func (c *Config) Extended(instances []Instance, exemptions []Exemption) (*Config, error) {
	out := *c
	out.Guardrails = slices.Clone(c.Guardrails)
	for _, in := range instances {
		if slices.ContainsFunc(out.Guardrails, func(o Instance) bool { return o.Name == in.Name }) {
			return nil, fmt.Errorf("guardrail %s: is there already", in.Name)
		}
		out.Guardrails = append(out.Guardrails, in)
	}
	out.beside += len(instances)
	out.Exemptions = slices.Clone(c.Exemptions)
	for _, x := range exemptions {
		if x.home == "" {
			return nil, fmt.Errorf("exemption %s: was granted nowhere", x.Name)
		}
		out.Exemptions = append(out.Exemptions, x)
	}
	return &out, nil
}

// NoGuardrails is a configuration in which none is, to be Extended: it leaves out the
// namespaces that the default one leaves out.
func NoGuardrails(file string) (*Config, error) {
	c, err := ParseConfig(file, DefaultConfig)
	if err != nil {
		return nil, err
	}
	c.Guardrails, c.toExtend = nil, true
	return c, nil
}

// Extend replaces the configuration by one that is made of it, with the same library.
func (e *Engine) Extend(with func(*Library, *Config) (*Config, error)) error {
	was := e.current.Load()
	c, err := with(was.library, was.config)
	if err != nil {
		return err
	}
	return e.Reload(was.library, c)
}

// prepared is a guardrail that was compiled before, by the same library; nil if there is none.
func (s *ruleset) prepared(l *Library, in Instance) *instance {
	if s == nil || s.library != l {
		return nil
	}
	at := slices.IndexFunc(s.instances, func(i *instance) bool { return reflect.DeepEqual(i.Instance, in) })
	if at < 0 {
		return nil
	}
	return s.instances[at]
}

// Workloads counts the workloads that each guardrail is about: those that its question about
// paths chooses at one of its ends, and without one those of the namespaces that it matches.
func (e *Engine) Workloads(s *cluster.Snapshot) (map[string]int, error) {
	set := e.current.Load()
	chosen := map[string]map[*cluster.Workload]bool{}
	err := e.eachPathQuestion(func(in *instance, q pathQuestion) {
		all := map[*cluster.Workload]bool{}
		for _, part := range slices.Concat(slices.Concat(q.From...), slices.Concat(q.To...)) {
			part.Workloads(s, func(w *cluster.Workload) { all[w] = true })
		}
		chosen[in.Name] = all
	})
	out := map[string]int{}
	for _, i := range set.instances {
		out[i.Name] = len(chosen[i.Name])
	}
	for ns := range s.Namespaces() {
		if slices.Contains(set.config.Exclude.Namespaces, ns.Name) {
			continue
		}
		n := 0
		for range s.Workloads(ns.Name) {
			n++
		}
		for _, i := range set.instances {
			if _, asks := chosen[i.Name]; !asks && i.Match.hasNamespace(ns) {
				out[i.Name] += n
			}
		}
	}
	return out, err
}

// hasNamespace tells whether objects of a namespace are matched, or may be.
func (m *Match) hasNamespace(ns *cluster.Namespace) bool {
	return (len(m.Namespaces) == 0 || slices.Contains(m.Namespaces, ns.Name)) && !slices.Contains(m.ExcludedNamespaces, ns.Name) &&
		(len(m.NamespaceSelector) == 0 || ns.Matches(m.selector) != selector.No)
}
