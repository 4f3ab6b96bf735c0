package guardrail

import (
	"slices"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// world is the cluster before and after, with the answers already computed
// about it. All reviews of one audit share one: what they ask does not depend
// on the object under review. It is used by one goroutine at a time.
type world struct {
	turn          *turn
	before, after *cluster.Snapshot
	options       connectivity.Options
	asking        *asking
	lookers       *lookers
	unfixed       bool // netpol.fix knows none
	apart         bool // netpol.grouped brings nothing together
	most          int  // answers of one question that are looked at; 0 for all
	openedBy      map[string][]connectivity.Connection
	openBy        map[string][]connectivity.Connection
	exposedBy     map[string][]connectivity.Exposure
	closedBy      map[string][]connectivity.ClosedPath
	weakenedBy    map[string][]connectivity.Weakening
	entrancesBy   map[string][]connectivity.Entrance
	unboundedBy   map[string][]connectivity.Unbounded
	homes         homes
}

// maxConnections bounds one answer of netpol.open and netpol.opened; a longer
// one is an error, so that memory stays bounded.
const maxConnections = 100_000

// bounded are as many answers as are looked at, and an error for more than may be listed.
func bounded[V any](w *world, all []V) ([]V, error) {
	switch {
	case w.most > 0 && len(all) > w.most:
		return all[:w.most], nil
	case len(all) > maxConnections:
		return nil, errTooMany
	}
	return all, nil
}

// newWorld makes the world of one evaluation.
func newWorld(t *turn, before, after *cluster.Snapshot, o connectivity.Options) *world {
	o.Interrupted = t.interrupted
	o.Limit = maxConnections
	return &world{
		turn: t, before: before, after: after, options: o, asking: &asking{}, lookers: &lookers{},
		openedBy:  map[string][]connectivity.Connection{},
		openBy:    map[string][]connectivity.Connection{},
		exposedBy: map[string][]connectivity.Exposure{},
		closedBy:  map[string][]connectivity.ClosedPath{},

		weakenedBy:  map[string][]connectivity.Weakening{},
		entrancesBy: map[string][]connectivity.Entrance{},
		unboundedBy: map[string][]connectivity.Unbounded{},
		homes:       newHomes(),
	}
}

func remember[V any](m map[string]V, key string, compute func() V) V {
	v, ok := m[key]
	if !ok {
		v = compute()
		m[key] = v
	}
	return v
}

func (w *world) opened(key string, queries []connectivity.Query) []connectivity.Connection {
	return remember(w.openedBy, key, func() []connectivity.Connection {
		return ofEach(queries, func(q connectivity.Query) []connectivity.Connection {
			return connectivity.Opened(w.before, w.after, q, w.options)
		})
	})
}

func (w *world) open(key string, queries []connectivity.Query) []connectivity.Connection {
	return remember(w.openBy, key, func() []connectivity.Connection {
		return ofEach(queries, func(q connectivity.Query) []connectivity.Connection { return connectivity.Open(w.after, q, w.options) })
	})
}

// ofEach are the connections of several queries.
func ofEach(queries []connectivity.Query, ask func(connectivity.Query) []connectivity.Connection) []connectivity.Connection {
	if len(queries) == 1 {
		return ask(queries[0])
	}
	var lists [][]connectivity.Connection
	for _, q := range queries {
		lists = append(lists, ask(q))
	}
	return connectivity.Join(lists...)
}

func (w *world) exposed(key string, s connectivity.Selection, d []cluster.Direction) []connectivity.Exposure {
	return remember(w.exposedBy, key, func() []connectivity.Exposure { return connectivity.Exposed(w.before, w.after, s, w.options, d...) })
}

// homeOf is the object with which audit and CLI report a connection, so that
// what several objects show is reported once: the netpol that lets it in, else
// the one that lets it out, else the workload that is reached, else the one that
// reaches. Only an object that the guardrail judges will do; the zero Ref means
// that there is none.
func (w *world) homeOf(c connectivity.Connection, concerns func(cluster.Ref) bool) cluster.Ref {
	var netpols []cluster.Ref
	for _, b := range c.Because {
		netpols = append(netpols, b.Netpol)
	}
	return w.home(netpols, []connectivity.Peer{c.To, c.From}, concerns)
}

// home is the first object that a guardrail judges: of the netpols, the last
// first, as egress comes before ingress; then of the peers.
func (w *world) home(netpols []cluster.Ref, peers []connectivity.Peer, concerns func(cluster.Ref) bool) cluster.Ref {
	var homes []cluster.Ref
	for _, n := range slices.Backward(netpols) {
		if n != (cluster.Ref{}) {
			homes = append(homes, n)
		}
	}
	for _, p := range peers {
		if p.Workload != nil {
			homes = append(homes, w.objectOf(p.Workload))
		}
		if p.Witness != nil {
			homes = append(homes, w.objectsIn(p.Witness.Namespace)...)
		}
	}
	for _, home := range homes {
		if concerns(home) {
			return home
		}
	}
	return cluster.Ref{}
}

// objectsIn are objects that stand for a namespace: its own, a netpol, a workload.
func (w *world) objectsIn(namespace string) []cluster.Ref {
	var out []cluster.Ref
	if ns, ok := w.after.Namespace(namespace); ok && !ns.Implied {
		out = append(out, ns.Ref())
	}
	for _, n := range w.after.Netpols(namespace) {
		out = append(out, n.Ref())
	}
	for x := range w.after.Workloads(namespace) {
		out = append(out, w.objectOf(x))
	}
	return out
}

// objectOf is the API object that stands for a workload: the one with its
// template, or its first pod.
func (w *world) objectOf(x *cluster.Workload) cluster.Ref {
	if _, ok := w.after.Template(x.Ref); ok {
		return x.Ref
	}
	for _, v := range x.Variants {
		if len(v.Pods) > 0 {
			return cluster.Ref{Namespace: x.Namespace, Kind: "Pod", Name: v.Pods[0]}
		}
	}
	for o := range w.after.Objects() {
		if owner, ok := w.after.WorkloadOf(o.Ref()); ok && owner == x {
			return o.Ref()
		}
	}
	return x.Ref
}
