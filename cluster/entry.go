package cluster

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Entry is an object by which traffic from outside the cluster finds its way to pods: a
// *Service, an *IngressEntry or a *Route.
type Entry interface {
	Object
	entry() templateKey
}

// IsEntry reports whether objects of a kind are entries.
func IsEntry(group, kind string) bool {
	switch group {
	case "":
		return kind == "Service"
	case "networking.k8s.io":
		return kind == "Ingress"
	}
	return IsRoute(group, kind)
}

// EntryKind is the API group and kind of an entry, by the kind that the model gives it.
func EntryKind(model string) (group, kind string, ok bool) {
	if model == serviceKind {
		return "", "Service", true
	}
	group = EntryGroup(model)
	return group, model, group != ""
}

// EntryGroup is the API group of an Ingress or a route, as the model names them; "" for
// every other kind.
func EntryGroup(kind string) string {
	switch {
	case kind == "Ingress":
		return "networking.k8s.io"
	case IsRoute(gatewayGroup, kind):
		return gatewayGroup
	}
	return ""
}

// serviceKind is how the model names a Service: that of Knative, which is a workload, often
// makes one of the same name.
const serviceKind = "Service.core"

// entering is the entries of a shard by what they are, each by name.
type entering struct {
	once      sync.Once
	services  []*Service
	ingresses []*IngressEntry
	routes    []*Route
}

func (s *shard) enter() *entering {
	s.entering.once.Do(func() {
		for _, key := range slices.SortedFunc(maps.Keys(s.entries), func(a, b templateKey) int {
			return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
		}) {
			switch o := s.entries[key].(type) {
			case *Service:
				s.entering.services = append(s.entering.services, o)
			case *IngressEntry:
				s.entering.ingresses = append(s.entering.ingresses, o)
			case *Route:
				s.entering.routes = append(s.entering.routes, o)
			}
		}
	})
	return s.entering
}

// Services are those of a namespace, by name. The slice is shared: do not change it.
func (s *Snapshot) Services(namespace string) []*Service {
	if sh := s.shard(namespace); sh != nil {
		return sh.enter().services
	}
	return nil
}

// Service returns a Service by namespace and name.
func (s *Snapshot) Service(namespace, name string) (*Service, bool) {
	if sh := s.shard(namespace); sh != nil {
		o, ok := sh.entries[templateKey{serviceKind, name}].(*Service)
		return o, ok
	}
	return nil, false
}

// Ingresses are those of a namespace, by name. The slice is shared: do not change it.
func (s *Snapshot) Ingresses(namespace string) []*IngressEntry {
	if sh := s.shard(namespace); sh != nil {
		return sh.enter().ingresses
	}
	return nil
}

// Routes yields the routes of every namespace: one may lead into any.
func (s *Snapshot) Routes() iter.Seq[*Route] {
	return func(yield func(*Route) bool) {
		for _, sh := range s.shards {
			for _, r := range sh.enter().routes {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// Entry returns the entry that ref names.
func (s *Snapshot) Entry(ref Ref) (Entry, bool) {
	if sh := s.shard(ref.Namespace); sh != nil {
		e, ok := sh.entries[templateKey{ref.Kind, ref.Name}]
		return e, ok
	}
	return nil, false
}

// Backend is where an Ingress or a route leads: to a port of a Service.
type Backend struct {
	Namespace, Service string
	// Port is the Service's port, PortName its name where that is given instead. Neither
	// stands for every port.
	Port     uint16
	PortName string
	// When says which requests go there: "host shop.example.com, path /".
	When string
	// More counts the other hosts and paths that lead to the same port.
	More int
}

// backends are those of one entry, each port of a Service once.
type backends []Backend

func (l backends) add(b Backend) backends {
	for i := range l {
		if o := &l[i]; o.Namespace == b.Namespace && o.Service == b.Service && o.Port == b.Port && o.PortName == b.PortName {
			o.More++
			return l
		}
	}
	return append(l, b)
}

// maxShown is how many letters of a host or a path are kept: it is for people.
const maxShown = 80

// shown is text that somebody else wrote, as one line of printable letters.
func shown(text string) string {
	if utf8.RuneCountInString(text) > maxShown {
		text = string([]rune(text)[:maxShown]) + "..."
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// requests says in words which ones are meant.
func requests(host, path string) string {
	var parts []string
	if host != "" {
		parts = append(parts, "host "+shown(host))
	}
	if path != "" {
		parts = append(parts, "path "+shown(path))
	}
	return strings.Join(parts, ", ")
}
