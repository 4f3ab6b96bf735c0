package guardrail

import (
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// homes are answers by the object with which audit and the command line report them. An
// audit asks the same for each object of a cluster: to look through the whole answer each
// time would take the square of its time.
type homes struct {
	opened    map[homeKey]map[cluster.Ref][]connectivity.Connection
	closed    map[homeKey]map[cluster.Ref][]connectivity.ClosedPath
	exposed   map[homeKey]map[cluster.Ref][]connectivity.Exposure
	entrances map[homeKey]map[cluster.Ref][]connectivity.Entrance
	unbounded map[homeKey]map[cluster.Ref][]connectivity.Unbounded
}

// homeKey is a question and the guardrail that asks: an answer is reported with an object
// that it judges.
type homeKey struct {
	key   string
	asker *instance
}

func newHomes() homes {
	return homes{
		map[homeKey]map[cluster.Ref][]connectivity.Connection{},
		map[homeKey]map[cluster.Ref][]connectivity.ClosedPath{},
		map[homeKey]map[cluster.Ref][]connectivity.Exposure{},
		map[homeKey]map[cluster.Ref][]connectivity.Entrance{},
		map[homeKey]map[cluster.Ref][]connectivity.Unbounded{},
	}
}

// own are the answers that are reported with the object under review: at admission all.
func own[V any](e *evaluation, m map[homeKey]map[cluster.Ref][]V, key string, all []V, home func(V) cluster.Ref) []V {
	if e.Origin == Admission {
		return all
	}
	at := homeKey{key, e.asker}
	by, ok := m[at]
	if !ok {
		by = map[cluster.Ref][]V{}
		for _, v := range all {
			h := home(v)
			by[h] = append(by[h], v)
		}
		m[at] = by
	}
	return by[e.Change.Ref()]
}
