package connectivity_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
)

// oneChange is what the engine is asked about, beside the question as it is read.
type oneChange struct {
	before, after *cluster.Snapshot
	query         connectivity.Query
	options       connectivity.Options
	probes        []probe
}

// lawOfOneChange holds of random changes that the engine says what is read from the
// definition; ask may change the question that is drawn, nil leaves it.
func lawOfOneChange[K comparable](t *testing.T, what string, ask func(question) question, reading func(*readDelta) map[K]bool, engine func(*rapid.T, oneChange) map[K]bool) {
	t.Helper()
	checks(t, 500, func(t *rapid.T) {
		d := drawDelta(t)
		changed, q := d.change(), d.question()
		if ask != nil {
			q = ask(q)
		}
		naive := newReadDelta(d.objects, changed, q)
		naive.believed = rapid.Bool().Draw(t, "believed")
		before := clustertest.Snapshot(t, d.objects...)
		want, got := reading(naive), engine(t, oneChange{
			before: before, after: clustertest.Apply(t, before, changesOf(t, d.objects, changed)...),
			query:   connectivity.Query{From: selectionOf(t, q.from), To: selectionOf(t, q.to)},
			options: connectivity.Options{Believed: naive.believed}, probes: q.probes,
		})
		if !maps.Equal(want, got) {
			t.Fatalf("%s (-reading +engine):\n%s\nquestion: %s\nbefore:\n%s\nafter the change:\n%s",
				what, cmp.Diff(sentences(want), sentences(got)), asked(q), inLines(d.objects), inLines(differing(d.objects, changed)))
		}
	})
}

// listing is what the engine lists, probe by probe.
type listing struct {
	ports map[edge]connectivity.PortSet
	found map[violation]bool
}

func newListing() listing {
	return listing{ports: map[edge]connectivity.PortSet{}, found: map[violation]bool{}}
}

// add takes in one element of a list, in which no port of a pair may be twice.
func (l listing) add(t *rapid.T, from, to connectivity.Peer, ports connectivity.PortSet, probes []probe) {
	e := edge{from.String(), to.String()}
	if twice := l.ports[e].Intersect(ports); !twice.Empty() {
		t.Fatalf("%s -> %s: %s is listed twice", e.from, e.to, twice)
	}
	l.ports[e] = l.ports[e].Union(ports)
	for _, p := range probes {
		if protocol, _ := cluster.ParseProtocol(string(p.protocol)); ports.Contains(protocol, uint16(p.port)) {
			l.found[violation{e.from, e.to, p}] = true
		}
	}
}

func sentences[K comparable](set map[K]bool) []string {
	var out []string
	for k := range set {
		out = append(out, fmt.Sprint(k))
	}
	slices.Sort(out)
	return out
}
