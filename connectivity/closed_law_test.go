package connectivity_test

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/connectivity"
)

// everywhere is the truth of every probed port for every pod of one peer and
// every pod of the other. What another policy API may restrict is not proved.
func (r *reference) everywhere(from, to []*refPod, address string) map[probe]truth {
	end := func(p *refPod) refEnd {
		if p == nil {
			return refEnd{address: address}
		}
		return refEnd{pod: p}
	}
	out := map[probe]truth{}
	for _, p := range probes {
		out[p] = open
		for _, s := range from {
			for _, d := range to {
				for _, side := range []truth{
					r.side(networkingv1.PolicyTypeEgress, end(s), end(d), end(d), p.protocol, p.port),
					r.side(networkingv1.PolicyTypeIngress, end(d), end(s), end(d), p.protocol, p.port),
				} {
					out[p] = out[p].and(side)
				}
				for _, pod := range []*refPod{s, d} {
					if pod != nil && r.restricted(pod.namespace) {
						out[p] = out[p].and(unknown("unmodelled-kind"))
					}
				}
			}
		}
	}
	return out
}

func (r *reference) restricted(namespace string) bool {
	for _, f := range r.foreign {
		if f == "" || f == namespace {
			return true
		}
	}
	return false
}

func TestLawClosedIsTheDifferenceTheOtherWay(t *testing.T) {
	checks(t, 100, func(t *rapid.T) {
		x := drawTransition(t)
		got := closedAll(x, options(x.podNetwork))
		for from, sources := range x.peers {
			for to, destinations := range x.peers {
				if from == to {
					continue
				}
				now := x.refAfter.everywhere(sources, destinations, "")
				then := allOpen()
				if before, after := x.podsBefore(from), x.podsBefore(to); len(before) > 0 && len(after) > 0 {
					then = x.refBefore.everywhere(before, after, "")
				}
				checkClosed(t, edge{from, to}, got[edge{from, to}], now, then)
			}
		}
		outside := []*refPod{nil}
		for peer, pods := range x.peers {
			for _, address := range outsiders {
				in, out := allOpen(), allOpen()
				if before := x.podsBefore(peer); len(before) > 0 {
					out = x.refBefore.everywhere(before, outside, address)
					in = x.refBefore.everywhere(outside, before, address)
				}
				checkClosed(t, edge{peer, address}, got.atOutside(peer, address, true), x.refAfter.everywhere(pods, outside, address), out)
				checkClosed(t, edge{address, peer}, got.atOutside(peer, address, false), x.refAfter.everywhere(outside, pods, address), in)
			}
		}
	})
}

func allOpen() map[probe]truth {
	out := map[probe]truth{}
	for _, p := range probes {
		out[p] = open
	}
	return out
}

// checkClosed: a path closes by as much as it is less open than before. got.open
// are its blocked ports, got.unknown those that are not proved open.
func checkClosed(t *rapid.T, e edge, got answer, now, then map[probe]truth) {
	for _, p := range probes {
		want := "stays"
		switch {
		case now[p].level >= then[p].level:
		case now[p].level == blocked.level:
			want = "blocked"
		default:
			want = "unknown"
		}
		is := "stays"
		switch got.level(p) {
		case open.level:
			is = "blocked"
		case 1:
			is = "unknown"
		}
		// Ends are compared one by one, so that more is told than of the peers as a whole:
		// one pair may close while another was closed all along.
		if (want != "stays" && is == "stays") || (now[p] == open && is != "stays") {
			t.Fatalf("closed %s -> %s on %s %d: got %s, want %s (before %s, after %s)", e.from, e.to, p.protocol, p.port,
				is, want, levelNames[then[p].level], levelNames[now[p].level])
		}
	}
}

// closedAll is what a change closes, as a picture: blocked ports as open ones.
func closedAll(x *transition, o connectivity.Options) picture {
	ask := func(from, to connectivity.Selection) []connectivity.ClosedPath {
		return connectivity.Closed(x.before, x.after, connectivity.Query{From: from, To: to}, o)
	}
	all := ask(connectivity.Everyone(), connectivity.Everyone())
	for _, block := range connectivity.Anywhere() {
		outside := connectivity.Selection{Block: block}
		all = append(all, ask(connectivity.Everyone(), outside)...)
		all = append(all, ask(outside, connectivity.Everyone())...)
	}
	out := picture{}
	for _, c := range all {
		e := edge{c.From.String(), c.To.String()}
		a := out[e]
		if c.Unknown == "" {
			a.open = a.open.Union(c.Ports)
		} else {
			a.unknown = a.unknown.Union(c.Ports)
		}
		out[e] = a
	}
	return out
}

func TestLawBlockedAndEverywhereOpenAreThePicture(t *testing.T) {
	checks(t, 50, func(t *rapid.T) {
		objects := drawObjects(t)
		r := newReference(objects, "")
		s := snapshotOf(t, objects)
		q, from, to := drawQuery(t)
		got := map[edge]connectivity.PortSet{}
		for _, c := range connectivity.Blocked(s, q, connectivity.Options{}) {
			e := edge{c.From.String(), c.To.String()}
			if !got[e].Intersect(c.Ports).Empty() {
				t.Fatalf("%s -> %s: %s is listed twice", e.from, e.to, c.Ports)
			}
			if len(c.Because) == 0 {
				t.Fatalf("%s -> %s is blocked for no reason", e.from, e.to)
			}
			got[e] = got[e].Union(c.Ports)
		}
		peers := r.byPeer()
		for a, sources := range peers {
			for b, destinations := range peers {
				chosenFrom, chosenTo := r.owned(sources, from), r.owned(destinations, to)
				want := r.everywhere(chosenFrom, chosenTo, "")
				if a == b { // only pairs that the query tells apart
					onlyFrom, onlyTo := without(chosenFrom, chosenTo), without(chosenTo, chosenFrom)
					want = r.everywhere(onlyFrom, chosenTo, "")
					for p, other := range r.everywhere(without(chosenFrom, onlyFrom), onlyTo, "") {
						want[p] = want[p].and(other)
					}
				}
				for _, p := range probes {
					asked := q.Ports.Empty() || (answer{open: q.Ports}).level(p) == open.level
					short := asked && len(chosenFrom) > 0 && len(chosenTo) > 0 && want[p] != open
					if is := (answer{open: got[edge{a, b}]}).level(p) == open.level; is != short {
						t.Fatalf("%s -> %s on %s %d: listed %v, and it is %s", a, b, p.protocol, p.port, is, levelNames[want[p].level])
					}
				}
			}
		}
	})
}

// owned are the pods that a selection chooses by the labels they have.
func (r *reference) owned(pods []*refPod, s refSelection) []*refPod {
	var out []*refPod
	for _, p := range r.chosen(pods, s) {
		if p.template == nil || p.selected(&s.pods) != blocked {
			out = append(out, p)
		}
	}
	return out
}
