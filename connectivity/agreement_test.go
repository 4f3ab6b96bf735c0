package connectivity_test

import (
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"github.com/podcullis/podcullis/connectivity"
)

// agrees is the law that holds all others up: the answer by classes is the
// answer pod by pod, port by port, address by address.
func agrees(t *rapid.T) {
	objects := rapid.Permutation(onlyNamed(t, drawObjects(t))).Draw(t, "order")
	network := rapid.SampledFrom([]string{"", podNetwork}).Draw(t, "pod network")
	foreign := rapid.SampledFrom([][]string{nil, nil, nil, nil, nil, {"a"}, {""}}).Draw(t, "foreign")

	r := newReference(objects, network)
	r.foreign = foreign
	s := snapshotOf(t, objects, foreign...)
	got := pictureOf(t, connectivity.Connections(s, options(network)))

	peers := r.byPeer()
	if want := slices.Sorted(keys(peers)); !slices.Equal(sorted(peersOf(s)), want) {
		t.Fatalf("peers: got %v, want %v", sorted(peersOf(s)), want)
	}
	for from, sources := range peers {
		for to, destinations := range peers {
			if from == to {
				continue
			}
			want := r.truths(sources, destinations)
			checkAnswer(t, edge{from, to}, got[edge{from, to}], want)
		}
	}
	for peer, pods := range peers {
		checkOutside(t, r, got, peer, pods)
	}
	for _, i := range connectivity.Isolated(s, connectivity.Everyone()) {
		checkIsolation(t, r, i, peers[i.Workload.String()])
	}
}

// checkIsolation: a workload is isolated as far as the least isolated of its pods.
func checkIsolation(t *rapid.T, r *reference, got connectivity.Isolation, pods []*refPod) {
	for d, direction := range []networkingv1.PolicyType{networkingv1.PolicyTypeEgress, networkingv1.PolicyTypeIngress} {
		want := open.level
		for _, p := range pods {
			want = min(want, r.isolated(direction, p).level)
		}
		if int(got.Isolated[d]) != want {
			t.Fatalf("%s is isolated for %s: got %s, want level %d", got.Workload, direction, fmt.Sprint(got.Isolated[d]), want)
		}
		if (len(got.By[d]) == 0) != !slices.ContainsFunc(pods, func(p *refPod) bool { return r.isolated(direction, p).level > 0 }) {
			t.Fatalf("%s is isolated for %s by %v", got.Workload, direction, got.By[d])
		}
	}
}

func checkAnswer(t *rapid.T, e edge, got answer, want map[probe]truth) {
	for _, p := range probes {
		if got.level(p) != want[p].level {
			t.Fatalf("%s -> %s on %s %d: got %s, want %s %s", e.from, e.to, p.protocol, p.port, levelNames[got.level(p)], levelNames[want[p].level], want[p].reasons)
		}
		if want[p].level != 1 {
			continue
		}
		reasons := got.reasonsFor(p)
		if len(reasons) == 0 {
			t.Fatalf("%s -> %s on %s %d: unknown for no reason, want %s", e.from, e.to, p.protocol, p.port, want[p].reasons)
		}
		for _, reason := range reasons {
			// Addresses are one block when they behave alike, be it for several reasons.
			if isAddress(e.from) || isAddress(e.to) {
				break
			}
			if !want[p].has(reason) {
				t.Fatalf("%s -> %s on %s %d: unknown because %s, want %s", e.from, e.to, p.protocol, p.port, reason, want[p].reasons)
			}
		}
	}
}

var levelNames = [...]string{"blocked", "unknown", "open"}

// outsiders are addresses on either side of every boundary of the generator's blocks.
var outsiders = []string{
	"1.1.1.1", "127.255.255.255", "128.0.0.0", "9.255.255.255", "10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5",
	"10.0.0.6", "10.0.0.7", "10.0.0.8", "11.0.0.0", "192.168.0.1", "192.168.1.1", "192.168.2.0", "255.255.255.255",
	"::1", "fc00::", "fd00::", "fd00::1", "fd00::2", "fd00::3", "fd00::4", "2001:db8::1", "2001:db8:1::", "2001:db9::",
}

func checkOutside(t *rapid.T, r *reference, got picture, peer string, pods []*refPod) {
	for _, egress := range []bool{true, false} {
		blocks := map[netip.Prefix]answer{}
		for e, a := range got {
			inside, outside := e.from, e.to
			if !egress {
				inside, outside = e.to, e.from
			}
			if inside == peer && isCIDR(outside) {
				blocks[netip.MustParsePrefix(outside)] = a
			}
		}
		checkBlocks(t, peer, blocks)
		for _, address := range outsiders {
			want := map[probe]truth{}
			for _, pod := range pods {
				s, d := refEnd{pod: pod}, refEnd{address: address}
				if !egress {
					s, d = d, s
				}
				for _, p := range probes {
					want[p] = want[p].or(r.connection(s, d, p.protocol, p.port))
				}
			}
			e := edge{peer, address}
			if !egress {
				e = edge{address, peer}
			}
			checkAnswer(t, e, blockOf(blocks, address), want)
		}
	}
}

func blockOf(blocks map[netip.Prefix]answer, address string) answer {
	for b, a := range blocks {
		if b.Contains(netip.MustParseAddr(address)) {
			return a
		}
	}
	return answer{}
}

// checkBlocks: the blocks of one workload and direction are disjoint, and no two
// halves of a block behave alike.
func checkBlocks(t *rapid.T, peer string, blocks map[netip.Prefix]answer) {
	for a, is := range blocks {
		for b := range blocks {
			if a != b && a.Overlaps(b) {
				t.Fatalf("%s: the blocks %s and %s overlap", peer, a, b)
			}
		}
		if a.Bits() == 0 {
			continue
		}
		parent, err := a.Addr().Prefix(a.Bits() - 1)
		if err != nil {
			t.Fatal(err)
		}
		for b, other := range blocks {
			if b != a && b.Bits() == a.Bits() && parent.Contains(b.Addr()) && is.open.Equal(other.open) && is.unknown.Equal(other.unknown) {
				t.Fatalf("%s: the blocks %s and %s behave alike and are one", peer, a, b)
			}
		}
	}
}

func TestClassesAgreeWithPods(t *testing.T) { checks(t, 100, agrees) }

func FuzzConnectivity(f *testing.F) { f.Fuzz(rapid.MakeFuzz(agrees)) }

// checks runs a property. n is how often, out of the 100 of -rapid.checks: each
// law costs a different time, and a long run raises them all.
func checks(t *testing.T, percent int, law func(*rapid.T)) {
	t.Helper()
	all := flag.Lookup("rapid.checks")
	before := all.Value.String()
	n := max(1, all.Value.(flag.Getter).Get().(int)*percent/100)
	if err := flag.Set("rapid.checks", fmt.Sprint(n)); err != nil {
		t.Fatal(err)
	}
	defer flag.Set("rapid.checks", before)
	rapid.Check(t, law)
}

func options(network string) connectivity.Options {
	if network == "" {
		return connectivity.Options{}
	}
	return connectivity.Options{PodNetwork: []netip.Prefix{netip.MustParsePrefix(network)}}
}

func strictPart(except, cidr string) bool {
	e, c := netip.MustParsePrefix(except).Masked(), netip.MustParsePrefix(cidr).Masked()
	return e.Bits() > c.Bits() && c.Contains(e.Addr())
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
