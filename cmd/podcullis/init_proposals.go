package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/guardrail"
)

// proposal is an entry that a first configuration may have.
type proposal struct {
	name, guardrail string
	parameters      map[string]any
	description     string // of the entry
	why             string // how it was found, for the comment above it
}

// surroundings are what init looks at.
type surroundings struct {
	in      input
	all     []member // but those of the cluster's own namespaces
	of      map[tier][]member
	presets map[string]guardrail.Entry
}

func surroundingsOf(in input, catalog []guardrail.Entry) *surroundings {
	s := &surroundings{in: in, of: map[tier][]member{}, presets: map[string]guardrail.Entry{}}
	for _, m := range membersOf(in.set) {
		own := slices.Contains(usuallyLeftAlone, m.ref.Namespace)
		for _, t := range m.tiersOf() {
			if own == (t == dnsServers) || t == ingressControllers { // DNS is the cluster's, and the rest is not
				s.of[t] = append(s.of[t], m)
			}
		}
		if !own {
			s.all = append(s.all, m)
		}
	}
	for _, e := range catalog {
		if e.Preset {
			s.presets[e.ID] = e
		}
	}
	return s
}

// proposals are what may go into the configuration, the most telling first.
func (s *surroundings) proposals() ([]proposal, error) {
	out := []proposal{{name: "default-deny", guardrail: "default-deny", description: "Every workload is isolated, so that only what a rule names gets through"}}
	out = append(out, s.betweenTiers()...)
	out = append(out, s.aroundDatabases()...)
	if len(s.of[dnsServers]) > 0 {
		if selector, key, ok := choose(s.of[dnsServers], append(slices.Clone(s.all), s.of[dnsServers]...)); ok {
			out = append(out, proposal{
				name: "dns-stays-reachable", guardrail: "required-paths", description: "Every workload can ask the cluster's DNS",
				parameters: map[string]any{
					"from":  map[string]any{},
					"to":    map[string]any{"namespaceSelector": named(s.of[dnsServers][0].ref.Namespace), "podSelector": selector},
					"ports": []any{map[string]any{"protocol": "UDP", "port": 53}, map[string]any{"protocol": "TCP", "port": 53}},
				},
				why: "DNS is " + refs(s.of[dnsServers]) + ", by " + key,
			})
		}
	}
	out = append(out, s.metrics()...)
	out = append(out, s.tenants()...)
	for _, name := range []string{"metadata-address-blocked", "cluster-dns-only"} {
		more, err := s.fromPreset(name)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return append(out,
		proposal{name: "no-host-network", guardrail: "no-host-network", description: "No pod runs on its node's network"},
		proposal{name: "no-ingress-from-everywhere", guardrail: "no-ingress-from-everywhere", description: "Nobody is let in merely for being in the cluster"},
		proposal{name: "no-allow-all", guardrail: "no-allow-all", description: "No NetworkPolicy makes default-deny worth nothing"},
		proposal{name: "declared-ports", guardrail: "declared-ports", description: "NetworkPolicies open ports that the containers declare"},
		proposal{name: "named-ports", guardrail: "named-ports", description: "Ports are given by names that some pod has"},
		proposal{name: "least-privilege", guardrail: "least-privilege", description: "Rules are as wide as they have to be"},
	), nil
}

func (s *surroundings) fromPreset(name string) ([]proposal, error) {
	var entries []struct {
		Name, Guardrail string
		Parameters      map[string]any
	}
	e := s.presets[name]
	if err := yaml.Unmarshal([]byte(e.Example), &entries); err != nil {
		return nil, err
	}
	var out []proposal
	for _, x := range entries {
		out = append(out, proposal{name: x.Name, guardrail: x.Guardrail, parameters: x.Parameters, description: e.Title, why: "from the preset " + name})
	}
	return out, nil
}

// betweenTiers are the paths from frontends, and from ingress controllers, to databases.
func (s *surroundings) betweenTiers() []proposal {
	to, key, ok := choose(s.of[databases], s.all)
	if !ok {
		return nil
	}
	var out []proposal
	for _, from := range []struct {
		tier tier
		name string
	}{{frontends, "frontends-never-reach-databases"}, {ingressControllers, "ingress-controllers-never-reach-databases"}} {
		some := slices.DeleteFunc(slices.Clone(s.of[from.tier]), func(m member) bool {
			return slices.ContainsFunc(s.of[databases], func(o member) bool { return o.ref == m.ref })
		})
		selector, fromKey, ok := choose(some, s.all)
		if !ok {
			continue
		}
		out = append(out, proposal{
			name: from.name, guardrail: "forbidden-paths", description: "Who is reached from outside does not reach where data is",
			parameters: map[string]any{"from": map[string]any{"podSelector": selector}, "to": map[string]any{"podSelector": to}},
			why:        fmt.Sprintf("%s are %s, by %s; databases are %s, by %s", from.tier, refs(some), fromKey, refs(s.of[databases]), key),
		})
	}
	return out
}

// aroundDatabases keeps those out who do not reach a database today, and everybody outside.
func (s *surroundings) aroundDatabases() []proposal {
	var out []proposal
	for _, db := range s.of[databases] {
		to, key, ok := choose([]member{db}, s.all)
		if !ok {
			continue
		}
		callers := s.callers(to, db)
		if len(callers) == 0 || len(callers) >= len(s.all)-1 {
			continue // nobody, or everybody: it says nothing
		}
		from, fromKey, ok := choose(callers, s.all)
		if !ok {
			continue
		}
		name := "only-callers-reach-" + slug(db.ref.Name)
		if slices.ContainsFunc(out, func(p proposal) bool { return p.name == name }) {
			name = "only-callers-reach-" + slug(db.ref.Namespace+"-"+db.ref.Name)
		}
		out = append(out, proposal{
			name: name, guardrail: "forbidden-paths", description: "Nobody else than today reaches " + db.ref.Name,
			parameters: map[string]any{
				"from": []any{map[string]any{"except": []any{map[string]any{"podSelector": from}, map[string]any{"podSelector": to}}}, map[string]any{"outside": true}},
				"to":   map[string]any{"podSelector": to},
			},
			why: fmt.Sprintf("%s, by %s, is reached today by %s, by %s", db.ref, key, refs(callers), fromKey),
		})
	}
	if to, key, ok := choose(s.of[databases], s.all); ok {
		out = append(out, proposal{
			name: "databases-not-from-outside", guardrail: "exposed-to-outside", description: "No database is reached from outside the cluster",
			parameters: map[string]any{"to": map[string]any{"podSelector": to}},
			why:        fmt.Sprintf("databases are %s, by %s", refs(s.of[databases]), key),
		})
	}
	return out
}

// callers are the workloads that reach those of a selector today.
func (s *surroundings) callers(to map[string]any, but member) []member {
	raw, err := json.Marshal(to)
	if err != nil {
		return nil
	}
	var ls metav1.LabelSelector
	if err := json.Unmarshal(raw, &ls); err != nil {
		return nil
	}
	pods, err := selector.New(ls)
	if err != nil {
		return nil
	}
	open := map[string]bool{}
	for _, c := range connectivity.Open(s.in.snapshot, connectivity.Query{From: connectivity.Everyone(), To: connectivity.Selection{Namespaces: selector.Everything(), Pods: pods}}, connectivity.Options{}) {
		if c.From.Workload != nil {
			open[c.From.Workload.Ref.String()] = true
		}
	}
	var out []member
	for _, m := range s.all {
		if open[m.ref.String()] && m.ref != but.ref {
			out = append(out, m)
		}
	}
	return out
}

// metrics are the ports that Prometheus reaches, by their names.
func (s *surroundings) metrics() []proposal {
	from, key, ok := choose(s.of[monitoring], s.all)
	if !ok {
		return nil
	}
	by := map[int][]member{}
	for _, m := range s.all {
		for _, p := range m.ports {
			if strings.Contains(p.Name, "metrics") && (p.Protocol == "" || p.Protocol == "TCP") && !slices.ContainsFunc(by[p.ContainerPort], func(o member) bool { return o.ref == m.ref }) {
				by[p.ContainerPort] = append(by[p.ContainerPort], m)
			}
		}
	}
	var out []proposal
	for _, port := range slices.Sorted(maps.Keys(by)) {
		to, toKey, ok := choose(by[port], s.all)
		if !ok {
			continue
		}
		out = append(out, proposal{
			name: fmt.Sprintf("metrics-stay-reachable-%d", port), guardrail: "required-paths", description: "Monitoring reaches metrics",
			parameters: map[string]any{
				"from": map[string]any{"podSelector": from}, "to": map[string]any{"podSelector": to},
				"ports": []any{map[string]any{"protocol": "TCP", "port": port}},
			},
			why: fmt.Sprintf("Prometheus is %s, by %s; port %d is named for metrics in %s, by %s", refs(s.of[monitoring]), key, port, refs(by[port]), toKey),
		})
	}
	return out
}

// tenants are told by a label of namespaces that has several values.
func (s *surroundings) tenants() []proposal {
	for _, label := range []string{"tenant", "capsule.clastix.io/tenant", "team"} {
		values := map[string]bool{}
		for ns := range s.in.snapshot.Namespaces() {
			if v := ns.Labels[label]; v != "" {
				values[v] = true
			}
		}
		if len(values) > 1 {
			return []proposal{{
				name: "tenants-apart", guardrail: "tenants-apart", description: "Namespaces of one tenant do not reach those of another",
				parameters: map[string]any{"label": label}, why: fmt.Sprintf("namespaces have the label %s: %s", label, strings.Join(slices.Sorted(maps.Keys(values)), ", ")),
			}}
		}
	}
	return nil
}

func named(namespace string) map[string]any {
	return map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": namespace}}
}

// refs names workloads, a few of them.
func refs(list []member) string {
	const most = 4
	var out []string
	for _, m := range list {
		out = append(out, m.ref.String())
	}
	if n := len(out) - most; n > 0 {
		out = append(out[:most:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(out, ", ")
}

var noSlug = regexp.MustCompile(`[^a-z0-9-]+`)

func slug(text string) string {
	text = strings.Trim(noSlug.ReplaceAllString(strings.ToLower(text), "-"), "-")
	return strings.Trim(text[:min(len(text), 40)], "-")
}
