package main

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
)

// member is a workload as init looks at it: what it is for is guessed by labels, images
// and ports.
type member struct {
	ref    cluster.Ref
	labels map[string]string // of its pods
	images []string
	ports  []containerPort
}

type containerPort struct {
	Name          string `json:"name"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"`
}

// tier is workloads of one sort.
type tier string

const (
	databases          tier = "databases"
	frontends          tier = "frontends"
	monitoring         tier = "monitoring"
	dnsServers         tier = "DNS"
	ingressControllers tier = "ingress controllers"
)

// tierLabels are the labels that say of which tier a workload is.
var tierLabels = []string{"app.kubernetes.io/component", "tier", "component", "role"}

// choosingLabels are those by which workloads are told apart, the first that does it.
var choosingLabels = append(slices.Clone(tierLabels), "app.kubernetes.io/name", "app.kubernetes.io/instance", "app", "k8s-app", "name")

// Words that whole parts of a name or label have.
var tierWords = map[tier][]string{
	databases: {
		"db", "database", "databases", "datastore", "cache", "postgres", "postgresql", "pgsql", "mysql", "mariadb", "mongo", "mongodb", "redis", "valkey", "cassandra", "memcached",
		"elasticsearch", "opensearch", "etcd", "clickhouse", "cockroach", "cockroachdb", "minio", "neo4j", "influxdb", "kafka", "rabbitmq", "nats", "mssql", "oracle", "couchdb", "scylla",
	},
	frontends:          {"frontend", "front", "web", "webapp", "ui", "storefront"},
	monitoring:         {"prometheus"},
	dnsServers:         {"coredns", "kube-dns"},
	ingressControllers: {"ingress-nginx", "nginx-ingress", "traefik", "haproxy-ingress", "contour", "envoy-gateway", "kong"},
}

// databasePorts are those that are seldom anybody else's.
var databasePorts = []int{1433, 1521, 3306, 5432, 5984, 6379, 7687, 9042, 11211, 26257, 27017}

// tiersOf tells of which tiers a workload is. An exporter or an operator of a database is none.
func (m *member) tiersOf() []tier {
	words := m.words()
	if slices.ContainsFunc(words, func(w string) bool {
		return slices.Contains([]string{"exporter", "operator", "backup", "proxy", "ha", "sentinel", "adapter", "client", "migrate", "migration"}, w)
	}) {
		return nil
	}
	var out []tier
	for _, t := range []tier{databases, frontends, monitoring, dnsServers, ingressControllers} {
		if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(tierWords[t], w) }) {
			out = append(out, t)
		}
	}
	if !slices.Contains(out, databases) && slices.ContainsFunc(m.ports, func(p containerPort) bool { return slices.Contains(databasePorts, p.ContainerPort) }) {
		out = append(out, databases)
	}
	return out
}

var notAWord = regexp.MustCompile(`[^a-z0-9]+`)

// words are what its name, images and labels say, as a whole and in parts.
func (m *member) words() []string {
	texts := []string{m.ref.Name}
	for _, image := range m.images {
		image = image[strings.LastIndex(image, "/")+1:]
		name, _, _ := strings.Cut(image, "@")
		name, _, _ = strings.Cut(name, ":")
		texts = append(texts, name)
	}
	for _, key := range choosingLabels {
		if key != "app.kubernetes.io/instance" { // which names a release
			texts = append(texts, m.labels[key])
		}
	}
	var out []string
	for _, text := range texts {
		text = strings.ToLower(text)
		out = append(out, text)
		out = append(out, notAWord.Split(text, -1)...)
	}
	return slices.DeleteFunc(out, func(w string) bool { return w == "" })
}

// document is what is read of any object.
type document struct {
	Metadata struct {
		Labels          map[string]string `json:"labels"`
		OwnerReferences []ownerReference  `json:"ownerReferences"`
	} `json:"metadata"`
	Spec json.RawMessage `json:"spec"`
}

type ownerReference struct {
	Controller *bool `json:"controller"`
}

func (r ownerReference) controls() bool { return r.Controller != nil && *r.Controller }

// membersOf are the workloads of manifests: what is made of a template is not counted again.
func membersOf(set *manifest.Set) []member {
	var out []member
	for _, o := range set.Objects {
		var x document
		if json.Unmarshal(o.JSON, &x) != nil || slices.ContainsFunc(x.Metadata.OwnerReferences, ownerReference.controls) {
			continue
		}
		m := member{ref: o.Ref()}
		if o.Kind == "Pod" {
			m.labels = x.Metadata.Labels
			m.read(x.Spec)
		} else if !m.readTemplate(x.Spec) {
			continue
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b member) int { return a.ref.Compare(b.ref) })
	return out
}

func (m *member) readTemplate(spec json.RawMessage) bool {
	var s struct {
		Template *struct {
			Metadata struct {
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Spec json.RawMessage `json:"spec"`
		} `json:"template"`
		JobTemplate *struct {
			Spec json.RawMessage `json:"spec"`
		} `json:"jobTemplate"`
	}
	switch {
	case json.Unmarshal(spec, &s) != nil:
		return false
	case s.JobTemplate != nil:
		return m.readTemplate(s.JobTemplate.Spec)
	case s.Template == nil || s.Template.Spec == nil:
		return false
	}
	m.labels = s.Template.Metadata.Labels
	m.read(s.Template.Spec)
	return true
}

func (m *member) read(spec json.RawMessage) {
	var s struct {
		Containers []struct {
			Image string          `json:"image"`
			Ports []containerPort `json:"ports"`
		} `json:"containers"`
	}
	if json.Unmarshal(spec, &s) != nil {
		return
	}
	for _, c := range s.Containers {
		m.images = append(m.images, c.Image)
		m.ports = append(m.ports, c.Ports...)
	}
}

// choose finds a podSelector that selects some workloads and none of the others: by one label,
// of which they have values that the others have not. ok is false where there is none.
func choose(some, all []member) (selector map[string]any, by string, ok bool) {
	for _, key := range choosingLabels {
		values, theirs := map[string]bool{}, true
		for _, m := range some {
			value, has := m.labels[key]
			theirs = theirs && has && value != ""
			values[value] = true
		}
		if !theirs || len(some) == 0 {
			continue
		}
		for _, m := range all {
			if values[m.labels[key]] && m.labels[key] != "" && !slices.ContainsFunc(some, func(o member) bool { return o.ref == m.ref }) {
				theirs = false
				break
			}
		}
		if !theirs {
			continue
		}
		sorted := slices.Sorted(maps.Keys(values))
		if len(sorted) == 1 {
			return map[string]any{"matchLabels": map[string]any{key: sorted[0]}}, key, true
		}
		var list []any
		for _, v := range sorted {
			list = append(list, v)
		}
		return map[string]any{"matchExpressions": []any{map[string]any{"key": key, "operator": "In", "values": list}}}, key, true
	}
	return nil, "", false
}
